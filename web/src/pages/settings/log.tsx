/** The log of changes of users and rights, the newest first. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { client, load } from "../../api/client";
import { Export, exportHref } from "../../components/export";
import { Card } from "../../components/page";
import { Await } from "../../components/states";
import { Table } from "../../components/table";
import { Time } from "../../components/time";

const LENGTH = 100;

/** Names and values of an entry. */
function Details({ details }: { details: Record<string, unknown> }) {
  return (
    <ul className="kk-details">
      {Object.entries(details).map(([name, value]) => (
        <li key={name}>
          <span className="kk-soft">{name}</span> {describe(value)}
        </li>
      ))}
    </ul>
  );
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return value.map(describe).join(", ") || "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function Log() {
  const log = useInfiniteQuery({
    queryKey: ["log"],
    queryFn: ({ pageParam }) => load(client.GET("/api/v1/log", { params: { query: { before: pageParam, limit: LENGTH } } })),
    initialPageParam: 0,
    getNextPageParam: (page) => (page.length === LENGTH ? page.at(-1)?.number : undefined),
  });
  return (
    <Card
      title={
        <span className="kk-card-title">
          Log
          <Export href={exportHref("log", {})} />
        </span>
      }
    >
      <Await query={log}>
        {({ pages }) => (
          <Table
            caption="Log of changes"
            rows={pages.flat()}
            rowKey={(row) => row.number}
            columns={[
              { title: "When", cell: (row) => <Time value={row.moment} /> },
              { title: "Who", cell: (row) => row.actor },
              { title: "Change", cell: (row) => row.action },
              { title: "Details", cell: (row) => <Details details={row.details} /> },
            ]}
          />
        )}
      </Await>
      {log.hasNextPage && (
        <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={() => void log.fetchNextPage()}>
          Show more
        </button>
      )}
    </Card>
  );
}
