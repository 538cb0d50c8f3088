/** The changes that remove most problems of high or critical priority. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { Card } from "../../components/page";
import { format, plural, Severity } from "../../components/severity";
import { Await } from "../../components/states";
import { Prose } from "../../components/text";
import { useUrl } from "../../url";
import { ImageChangeTitle, keyOf, type ImageChange } from "../this-week/words";

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
        {({ rows, changes }) =>
          rows.length ? (
            <>
              <ol className="kk-first">
                {rows.map((row) =>
                  row.change !== "remediation" ? <ImageChangeLine key={`${row.type} ${row.name}`} row={row} href={`/this-week${url.with({ days: "", open: keyOf(row) })}`} /> : <RemediationLine key={row.definition} row={row} href={`/findings${url.with({ days: "", definition: row.definition })}`} />,
                )}
              </ol>
              {changes > rows.length && (
                <p>
                  <a href={`/this-week${url.with({ days: "" })}`}>See all {format(changes)} changes, and who works on them</a>
                </p>
              )}
            </>
          ) : (
            <p>No change removes a problem of high or critical priority.</p>
          )
        }
      </Await>
    </Card>
  );
}

function ImageChangeLine({ row, href }: { row: ImageChange; href: string }) {
  return (
    <li>
      <span className="kk-count">{format(row.removed)}</span>
      <div>
        <a href={href}>
          <ImageChangeTitle change={row} />
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
