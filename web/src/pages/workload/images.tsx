/** The problems of an image that a workload runs, upgrades first. */
import { useState } from "react";
import { client, load, type Schemas } from "../../api/client";
import { describeRows, usePages } from "../../components/list";
import { Severity } from "../../components/severity";
import { Failure, Loading } from "../../components/states";
import { ImageName } from "./workload";

const LENGTH = 100;

export function ImageProblems({ image }: { image: Schemas["SubjectImage"] }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="kk-image" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <strong>{image.container || "volume"}</strong> <ImageName image={image} />
      </summary>
      {isOpen && <Problems digest={image.digest} />}
    </details>
  );
}

function Problems({ digest }: { digest: string }) {
  const pages = usePages(["problems", digest], (cursor) => load(client.GET("/api/v1/images/{digest}/problems", { params: { path: { digest }, query: { cursor, limit: LENGTH } } })));
  if (pages.error) return <Failure error={pages.error} />;
  if (!pages.data) return <Loading lines={4} />;
  const rows = pages.data.pages.flatMap((page) => page.rows);
  if (!rows.length) return <p>No known problem is open.</p>;
  return (
    <>
      <table className="pf-v6-c-table pf-m-compact kk-list">
        <caption className="pf-v6-screen-reader">Problems of the image</caption>
        <thead className="pf-v6-c-table__thead">
          <tr className="pf-v6-c-table__tr">
            {["Problem", "Severity", "Package", "Upgrade to"].map((title) => (
              <th key={title} scope="col" className="pf-v6-c-table__th">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="pf-v6-c-table__tbody">
          {rows.map((row) => (
            <tr key={row.definition + row.purl} className="pf-v6-c-table__tr">
              <td className="pf-v6-c-table__td kk-main" data-label="Problem">
                {row.kind === "vulnerability" ? <a href={`/vulnerabilities/${encodeURIComponent(row.definition)}`}>{row.id}</a> : row.id} <span className="kk-soft">{row.title}</span>
                {row.isExploited && <strong> known to be exploited</strong>}
                {row.isSuppressed && <span className="kk-soft"> covered by an exception</span>}
              </td>
              <td className="pf-v6-c-table__td" data-label="Severity">
                <Severity level={row.severity} />
              </td>
              <td className="pf-v6-c-table__td" data-label="Package">
                <code>{shortenPurl(row.purl)}</code>
              </td>
              <td className="pf-v6-c-table__td" data-label="Upgrade to">
                {row.fixedVersion || <span className="kk-soft">no fix yet</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="kk-soft">{describeRows(pages, "problem")}</p>
      {pages.hasNextPage && (
        <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={() => void pages.fetchNextPage()}>
          Show more
        </button>
      )}
    </>
  );
}

/** Return the name and the version of a package URL. */
export function shortenPurl(purl: string): string {
  const [, rest = purl] = purl.match(/^pkg:[^/]+\/([^?#]+)/) ?? [];
  try {
    return decodeURIComponent(rest).replace("@", " ");
  } catch {
    return rest;
  }
}
