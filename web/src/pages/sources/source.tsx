/** One cluster, repository or registry. */
import { useQuery } from "@tanstack/react-query";
import { client, load } from "../../api/client";
import { Card, Facts, Page } from "../../components/page";
import { format, plural, SeverityCounts } from "../../components/severity";
import { Await } from "../../components/states";
import { kindOfSource, nameSource } from "../../sources";
import { isSilent, LastReport, SILENT_DAYS } from "./report";

export default function Source({ id }: { id: number }) {
  const source = useQuery({ queryKey: ["source", id], queryFn: () => load(client.GET("/api/v1/sources/{source}", { params: { path: { source: id } } })) });
  const row = source.data;
  return (
    <Page
      title={row ? nameSource(row) : "Source"}
      summary={row && (isSilent(row) ? `It sent nothing for ${SILENT_DAYS} days or more: what it shows may be out of date.` : `${plural(row.scans, "report")} so far.`)}
      trail={[{ name: "Sources", href: "/sources" }]}
    >
      <Await query={source}>
        {(data) => (
          <div className="kk-stack">
            <Card title="Open problems">
              <Facts
                facts={[
                  ["Findings", <SeverityCounts key="findings" counts={data.findings} href={(level) => `/findings?source=${id}&severity=${level}`} />],
                  ["Vulnerabilities", <SeverityCounts key="vulnerabilities" counts={data.vulnerabilities} href={(level) => `/vulnerabilities?source=${id}&severity=${level}`} />],
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
                ]}
              />
            </Card>
          </div>
        )}
      </Await>
    </Page>
  );
}
