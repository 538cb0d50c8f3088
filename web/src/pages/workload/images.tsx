/** The problems of an image that a workload runs, upgrades first. */
import { useState } from "react";
import { client, load, type Schemas } from "../../api/client";
import { describeRows, usePages, type Column } from "../../components/list";
import { Severity, SeverityCounts } from "../../components/severity";
import { Failure, Loading } from "../../components/states";
import { Table } from "../../components/table";
import { Name } from "../../components/text";

type Problem = Schemas["ImageProblem"];

const LENGTH = 100;
const COLUMNS: Column<Problem>[] = [
  { title: "Problem", kind: "main", cell: (row) => <Identifier row={row} /> },
  { title: "Priority", cell: (row) => <Severity level={row.priority} /> },
  { title: "Package", cell: (row) => <code>{shortenPurl(row.purl)}</code> },
  { title: "Upgrade to", cell: (row) => row.fixedVersion || <span className="kk-soft">no fix yet</span> },
];

export function ImageProblems({ image }: { image: Schemas["SubjectImage"] }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="kk-image" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <strong>{image.container || "volume"}</strong> <ImageName image={image} />
      </summary>
      {isOpen && (
        <>
          <p>
            <a href={`/images/${image.digest}`}>Open the image</a>
          </p>
          <Problems digest={image.digest} />
        </>
      )}
    </details>
  );
}

/** Names of an image with its counts. */
function ImageName({ image }: { image: Schemas["SubjectImage"] }) {
  const [unknown, low, medium, high, critical] = image.problems;
  return (
    <>
      <Name text={image.references[0] ?? image.digest} />{" "}
      <SeverityCounts counts={{ critical: critical ?? 0, high: high ?? 0, medium: medium ?? 0, low: low ?? 0, unknown: unknown ?? 0 }} />
    </>
  );
}

/** The open problems of an image. */
export function Problems({ digest }: { digest: string }) {
  const pages = usePages(["problems", digest], (cursor) => load(client.GET("/api/v1/images/{digest}/problems", { params: { path: { digest }, query: { cursor, limit: LENGTH } } })));
  if (pages.error) return <Failure error={pages.error} />;
  if (!pages.data) return <Loading lines={4} />;
  const rows = pages.data.pages.flatMap((page) => page.rows);
  if (!rows.length) return <p>No known problem is open.</p>;
  return (
    <>
      <Table caption="Problems of the image" rows={rows} columns={COLUMNS} rowKey={(row) => row.definition + row.purl} />
      <p className="kk-soft">{describeRows(pages, "problem")}</p>
      {pages.hasNextPage && (
        <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={() => void pages.fetchNextPage()}>
          Show more
        </button>
      )}
    </>
  );
}

function Identifier({ row }: { row: Problem }) {
  return (
    <>
      {row.kind === "vulnerability" ? <a href={`/vulnerabilities/${encodeURIComponent(row.definition)}`}>{row.id}</a> : row.id} <span className="kk-soft">{row.title}</span>
      {row.isExploited && <strong> known to be exploited</strong>}
      {row.isSuppressed && <span className="kk-soft"> covered by an exception</span>}
      {row.decision !== null && (
        <>
          {" "}
          <a href={`/decisions?open=${row.decision}`}>covered by decision {row.decision}</a>
        </>
      )}
    </>
  );
}

/** Return the name and the version of a package URL. A scope such as `@angular` has its own sign. */
export function shortenPurl(purl: string): string {
  const [, rest = purl] = purl.match(/^pkg:[^/]+\/([^?#]+)/) ?? [];
  const text = rest.replace(/@([^@/]*)$/, " $1");
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
