/** One source: what is open and how it changed, what its last scan could not see, and what it consists of. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, load } from "../../api/client";
import { Changes } from "../../components/changes";
import { Card, Facts, Page } from "../../components/page";
import { format, plural, SeverityCounts, sum } from "../../components/severity";
import { SoftwareDocuments } from "../../components/software";
import { Await } from "../../components/states";
import type { Identity } from "../../identity";
import { kindOfSource, nameSource } from "../../sources";
import { Branches } from "./branches";
import { Coverage } from "./coverage";
import { DeleteSource } from "./delete";
import { Namespaces } from "./namespaces";
import { isSilent, LastReport, SILENT_DAYS, type SourceRow } from "./report";
import { Scans } from "./scans";

/** Roles that may delete a source. */
const DELETERS = ["administrator", "manager"];

export default function Source({ id, identity }: { id: number; identity: Identity }) {
  const [isDeleting, setDeleting] = useState(false);
  const source = useQuery({ queryKey: ["source", id], queryFn: () => load(client.GET("/api/v1/sources/{source}", { params: { path: { source: id } } })) });
  const row = source.data;
  return (
    <Page
      title={row ? nameSource(row) : "Source"}
      summary={row && summarize(row)}
      trail={[{ name: "Sources", href: "/sources" }]}
      actions={
        row && (
          <div className="kk-buttons">
            <a className="pf-v6-c-button pf-m-secondary" href={`/compare?from=${id}`}>
              Compare
            </a>
            {DELETERS.includes(identity.role ?? "") && (
              <button type="button" className="pf-v6-c-button pf-m-secondary pf-m-danger" onClick={() => setDeleting(true)}>
                Delete
              </button>
            )}
          </div>
        )
      }
    >
      <Await query={source}>{(data) => <Content row={data} />}</Await>
      {isDeleting && row && <DeleteSource row={row} onClose={() => setDeleting(false)} />}
    </Page>
  );
}

function summarize(row: SourceRow): string {
  if (isSilent(row)) return `It sent nothing for ${SILENT_DAYS} days or more: what it shows may be out of date.`;
  if (!row.findings || !row.vulnerabilities) return "Your rights cover a part of its namespaces.";
  const urgent = (row.findings["critical"] ?? 0) + (row.findings["high"] ?? 0);
  const open = sum(row.findings);
  const findings = open ? `${plural(open, "open finding")}, ${urgent === open ? "critical or high" : urgent ? `${format(urgent)} of them critical or high` : "none critical or high"}` : "No finding is open in what was evaluated";
  const problems = row.images ? `, and ${plural(sum(row.vulnerabilities), "problem")} in ${plural(row.images, "image")}` : "";
  return `${findings}${problems}${row.unknown ? `; ${format(row.unknown)} could not be seen by the last scan` : ""}.`;
}

function Content({ row }: { row: SourceRow }) {
  const { id } = row;
  const kind = kindOfSource(row);
  // Numbers of all namespaces are not for those who see some.
  const isWhole = row.findings !== null;
  return (
    <div className="kk-stack">
      <div className="kk-overview">
        <Card title="Open problems">
          <Facts
            facts={[
              ["Findings", <SeverityCounts key="findings" counts={row.findings} href={(level) => `/findings?source=${id}&priority=${level}`} />],
              ["Vulnerabilities", row.images > 0 && <SeverityCounts key="vulnerabilities" counts={row.vulnerabilities} href={(level) => `/vulnerabilities?source=${id}&priority=${level}`} />],
              ["Not seen lately", row.unknown ? <a key="unknown" href={`/findings?source=${id}&state=unknown`}>{plural(row.unknown, "finding")}</a> : "none"],
              ["Images", row.images > 0 && <a key="images" href={`/images?source=${id}`}>{plural(row.images, "image")}</a>],
              ["Kind", kind],
              ["Key", <code key="key">{row.key}</code>],
              ["Branch", row.branch],
              ["Last report", <LastReport key="last" row={row} />],
              ["Reports", format(row.scans)],
              ["Software", row.images > 0 && <SoftwareDocuments key="software" path={`sources/${id}`} />],
            ]}
          />
        </Card>
        {row.findings && <Changes source={[id]} open={row.findings} />}
      </div>
      {isWhole && <Coverage source={id} />}
      {kind === "repository" && <Branches source={id} />}
      {kind === "cluster" && <Namespaces source={id} />}
      {isWhole && <Scans source={id} />}
    </div>
  );
}
