/** Sources that do not report, the longest silent first. */
import { useQuery } from "@tanstack/react-query";
import { client, load } from "../../api/client";
import { Card } from "../../components/page";
import { plural } from "../../components/severity";
import { Await } from "../../components/states";
import { kindOfSource, nameSource } from "../../sources";
import { isSilent, LastReport } from "../sources/report";

const SHOWN = 5;
const READ = 100;

export function Coverage({ source }: { source: number[] }) {
  const sources = useQuery({
    queryKey: ["sources", "silent"],
    queryFn: () => load(client.GET("/api/v1/sources", { params: { query: { order: "silent", limit: READ } } })),
  });
  return (
    <Card title="Not covered">
      <Await query={sources} lines={3}>
        {({ rows }) => {
          const silent = rows.filter((row) => isSilent(row) && (!source.length || source.includes(row.id)));
          const unknown = rows.filter((row) => row.unknown > 0 && !isSilent(row));
          const hasCluster = rows.length === READ || rows.some((row) => kindOfSource(row) === "cluster");
          if (hasCluster && !silent.length && !unknown.length) return <p>All clusters and registries report, and saw what they had seen before.</p>;
          return (
            <ul className="kk-plain-list">
              {!hasCluster && (
                <li>
                  No cluster reports: what runs, and what can be reached, is not known. <a href="/sources">Add a source</a>
                </li>
              )}
              {silent.slice(0, SHOWN).map((row) => (
                <li key={row.id}>
                  <a href={`/sources/${row.id}`}>{nameSource(row)}</a> <span className="kk-soft">{kindOfSource(row)}, last report</span> <LastReport row={row} />
                </li>
              ))}
              {unknown.slice(0, SHOWN).map((row) => (
                <li key={row.id}>
                  <a href={`/findings?source=${row.id}&state=unknown`}>{plural(row.unknown, "finding")} not seen lately</a> <span className="kk-soft">in {nameSource(row)}</span>
                </li>
              ))}
            </ul>
          );
        }}
      </Await>
    </Card>
  );
}
