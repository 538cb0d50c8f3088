/** The branches and pull requests of a repository, each compared with the default branch. */
import { client, load, type Schemas } from "../../api/client";
import { usePages, type Column } from "../../components/list";
import { Card } from "../../components/page";
import { format, SeverityCounts } from "../../components/severity";
import { Failure, Loading } from "../../components/states";
import { Table } from "../../components/table";
import { Time } from "../../components/time";

type Row = Schemas["BranchRow"];

export function Branches({ source }: { source: number }) {
  const pages = usePages(["branches", source], (cursor) => load(client.GET("/api/v1/sources/{source}/branches", { params: { path: { source }, query: { cursor } } })));
  const rows = pages.data?.pages.flatMap((page) => page.rows) ?? [];
  const main = rows.find((row) => row.isDefault);
  const columns: Column<Row>[] = [
    { title: "Branch", kind: "main", cell: (row) => <BranchName row={row} isHere={row.id === source} /> },
    { title: "Against the default branch", cell: (row) => <Changes row={row} main={main} /> },
    { title: "Findings", cell: (row) => <SeverityCounts counts={row.findings} href={(level) => `/findings?source=${row.id}&priority=${level}`} /> },
    { title: "Last report", cell: (row) => <Time value={row.finished} /> },
  ];
  return (
    <Card title="Branches and pull requests">
      {pages.error ? <Failure error={pages.error} /> : !pages.data ? <Loading lines={3} /> : <Table caption="Branches and pull requests" rows={rows} columns={columns} rowKey={(row) => row.id} />}
      {pages.hasNextPage && (
        <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={() => void pages.fetchNextPage()}>
          Show more
        </button>
      )}
    </Card>
  );
}

function BranchName({ row, isHere }: { row: Row; isHere: boolean }) {
  const name = row.branch || "detached";
  return (
    <>
      {isHere ? <strong>{name}</strong> : <a href={`/sources/${row.id}`}>{name}</a>}
      {row.isDefault && <span className="kk-soft"> default branch</span>}
      {isHere && <span className="kk-soft"> this page</span>}
    </>
  );
}

/** The findings that a merge would bring and take away. */
function Changes({ row, main }: { row: Row; main: Row | undefined }) {
  if (row.isDefault) return null;
  if (!row.changes || !main) return <span className="kk-soft">not compared</span>;
  const { new: added = 0, gone = 0, incomparable = 0 } = row.changes;
  return (
    <a href={`/compare?from=${main.id}&to=${row.id}`}>
      {added ? `${format(added)} new` : "nothing new"}, {format(gone)} fixed{incomparable ? `, ${format(incomparable)} not comparable` : ""}
    </a>
  );
}
