/** The most urgent problems, with the change that removes each. */
import { useQuery } from "@tanstack/react-query";
import { client, load } from "../../api/client";
import { Reasons } from "../../components/finding";
import { Card } from "../../components/page";
import { Severity } from "../../components/severity";
import { Await } from "../../components/states";
import { nameSubject } from "../../sources";

const SHOWN = 5;

export function FixFirst({ source }: { source: number[] }) {
  const findings = useQuery({
    queryKey: ["fix first", source],
    queryFn: () => load(client.GET("/api/v1/findings", { params: { query: { source, limit: SHOWN } } })),
  });
  return (
    <Card title="Fix first">
      <Await query={findings} lines={SHOWN}>
        {({ rows }) => (
          <ol className="kk-first">
            {rows.map((row) => (
              <li key={row.fingerprint + row.subject + row.source}>
                <Severity level={row.severity} />
                <div>
                  <a href={`/findings?open=${row.source}.${row.subject}.${row.fingerprint}`}>{row.title}</a>
                  <div className="kk-soft">
                    {row.kind} {nameSubject(row)}
                  </div>
                  <Reasons exposure={row.exposure} />
                </div>
              </li>
            ))}
          </ol>
        )}
      </Await>
    </Card>
  );
}
