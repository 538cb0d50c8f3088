/** The log of changes of users and rights, the newest first. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { client, load } from "../../api/client";
import { Card } from "../../components/page";
import { Await } from "../../components/states";
import { Time } from "../../components/time";
import { Table } from "./table";

const LENGTH = 100;

export function Log() {
  const log = useInfiniteQuery({
    queryKey: ["log"],
    queryFn: ({ pageParam }) => load(client.GET("/api/v1/log", { params: { query: { before: pageParam, limit: LENGTH } } })),
    initialPageParam: 0,
    getNextPageParam: (page) => (page.length === LENGTH ? page.at(-1)?.number : undefined),
  });
  return (
    <Card title="Log">
      <Await query={log}>
        {({ pages }) => (
          <Table
            caption="Log of changes"
            rows={pages.flat()}
            rowKey={(row) => row.number}
            columns={[
              ["When", (row) => <Time value={row.moment} />],
              ["Who", (row) => row.actor],
              ["Change", (row) => row.action],
              ["Details", (row) => <code className="kk-details">{JSON.stringify(row.details)}</code>],
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
