/** The changes that remove most problems of high or critical priority. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { Card } from "../../components/page";
import { format, plural, Severity } from "../../components/severity";
import { Await } from "../../components/states";
import { Prose } from "../../components/text";
import { useUrl } from "../../url";

type Upgrade = Schemas["Upgrade"];
type Remediation = Schemas["Remediation"];

const SHOWN = 5;

export function FixFirst({ source }: { source: number[] }) {
  const url = useUrl();
  const fixes = useQuery({
    queryKey: ["fixes", source],
    queryFn: () => load(client.GET("/api/v1/fixes", { params: { query: { source, limit: SHOWN } } })),
  });
  return (
    <Card title="Fix first">
      <Await query={fixes} lines={SHOWN}>
        {({ rows }) =>
          rows.length ? (
            <ol className="kk-first">
              {rows.map((row) =>
                row.change === "upgrade" ? <UpgradeLine key={`${row.type} ${row.name}`} row={row} /> : <RemediationLine key={row.definition} row={row} href={`/findings${url.with({ days: "", definition: row.definition })}`} />,
              )}
            </ol>
          ) : (
            <p>No change removes a problem of high or critical priority.</p>
          )
        }
      </Await>
    </Card>
  );
}

function UpgradeLine({ row }: { row: Upgrade }) {
  return (
    <li>
      <span className="kk-count">{format(row.removed)}</span>
      <div>
        <a href={`/packages/${row.type}/${encodeURIComponent(row.name)}?below=${encodeURIComponent(row.version)}`}>
          Upgrade <strong>{row.name}</strong> to {row.version}
        </a>
        <div className="kk-soft">
          {row.vulnerabilities === 1 ? "1 vulnerability" : `${format(row.vulnerabilities)} vulnerabilities`} in {plural(row.images, "image")}, {plural(row.workloads, "workload")}
          {row.exposedWorkloads > 0 && `, ${format(row.exposedWorkloads)} reachable from outside`}
        </div>
      </div>
    </li>
  );
}

function RemediationLine({ row, href }: { row: Remediation; href: string }) {
  return (
    <li>
      <span className="kk-count">{format(row.removed)}</span>
      <div>
        <a href={href}>{row.title}</a> <Severity level={row.priority} />
        {row.remediation && (
          <div className="kk-soft kk-clamp">
            <Prose text={row.remediation} />
          </div>
        )}
        <div className="kk-soft">
          {plural(row.removed, "finding")}
          {row.exposed > 0 && `, ${format(row.exposed)} reachable from outside`}
        </div>
      </div>
    </li>
  );
}
