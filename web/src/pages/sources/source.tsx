/** One cluster, repository or registry. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, load } from "../../api/client";
import type { Identity } from "../../app";
import { Card, Facts, Page } from "../../components/page";
import { format, plural, SeverityCounts } from "../../components/severity";
import { SoftwareDocuments } from "../../components/software";
import { Await } from "../../components/states";
import { kindOfSource, nameSource } from "../../sources";
import { DeleteSource } from "./delete";
import { isSilent, LastReport, SILENT_DAYS } from "./report";

/** Roles that may delete a source. */
const DELETERS: (string | null)[] = ["administrator", "manager"];

export default function Source({ id, identity }: { id: number; identity: Identity }) {
  const [isDeleting, setDeleting] = useState(false);
  const source = useQuery({ queryKey: ["source", id], queryFn: () => load(client.GET("/api/v1/sources/{source}", { params: { path: { source: id } } })) });
  const row = source.data;
  return (
    <Page
      title={row ? nameSource(row) : "Source"}
      summary={row && (isSilent(row) ? `It sent nothing for ${SILENT_DAYS} days or more: what it shows may be out of date.` : `${plural(row.scans, "report")} so far.`)}
      trail={[{ name: "Sources", href: "/sources" }]}
      actions={
        row &&
        DELETERS.includes(identity.role) && (
          <button type="button" className="pf-v6-c-button pf-m-secondary pf-m-danger" onClick={() => setDeleting(true)}>
            Delete
          </button>
        )
      }
    >
      <Await query={source}>
        {(data) => (
          <div className="kk-stack">
            <Card title="Open problems">
              <Facts
                facts={[
                  ["Findings", <SeverityCounts key="findings" counts={data.findings} href={(level) => `/findings?source=${id}&priority=${level}`} />],
                  ["Vulnerabilities", <SeverityCounts key="vulnerabilities" counts={data.vulnerabilities} href={(level) => `/vulnerabilities?source=${id}&priority=${level}`} />],
                  ["Not seen lately", data.unknown ? <a key="unknown" href={`/findings?source=${id}&state=unknown`}>{plural(data.unknown, "finding")}</a> : "none"],
                ]}
              />
            </Card>
            <Card title="Reports">
              <Facts
                facts={[
                  ["Kind", kindOfSource(data)],
                  ["Key", <code key="key">{data.key}</code>],
                  ["Branch", data.branch],
                  ["Last report", <LastReport key="last" row={data} />],
                  ["Reports", format(data.scans)],
                  ["Images", format(data.images)],
                  ["Software", data.images > 0 && <SoftwareDocuments key="software" path={`sources/${id}`} />],
                ]}
              />
            </Card>
          </div>
        )}
      </Await>
      {isDeleting && row && <DeleteSource row={row} onClose={() => setDeleting(false)} />}
    </Page>
  );
}
