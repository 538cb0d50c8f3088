/** The namespaces of a cluster with the numbers of their findings. */
import { client, load, type Schemas } from "../../api/client";
import { usePages, type Column } from "../../components/list";
import { Card } from "../../components/page";
import { format, SeverityCounts } from "../../components/severity";
import { Failure, Loading } from "../../components/states";
import { Table } from "../../components/table";

type Row = Schemas["NamespaceRow"];

const LENGTH = 50;

export function Namespaces({ source }: { source: number }) {
  const pages = usePages(["namespaces", source], (cursor) => load(client.GET("/api/v1/sources/{source}/namespaces", { params: { path: { source }, query: { cursor, limit: LENGTH } } })));
  const rows = pages.data?.pages.flatMap((page) => page.rows) ?? [];
  const link = (row: Row, values = "") => `/findings?source=${source}&namespace=${encodeURIComponent(row.namespace)}${values}`;
  const columns: Column<Row>[] = [
    { title: "Namespace", kind: "main", cell: (row) => (row.namespace ? <a href={link(row)}>{row.namespace}</a> : <span className="kk-soft">not in a namespace</span>) },
    { title: "Findings", cell: (row) => <SeverityCounts counts={row.findings} href={row.namespace ? (level) => link(row, `&priority=${level}`) : undefined} /> },
    { title: "Reachable", kind: "number", cell: (row) => (row.namespace && row.exposedFindings ? <a href={link(row, "&exposed=true")}>{format(row.exposedFindings)}</a> : format(row.exposedFindings)) },
    { title: "Subjects", kind: "number", cell: (row) => format(row.subjects) },
  ];
  return (
    <Card title="Namespaces">
      {pages.error ? <Failure error={pages.error} /> : !pages.data ? <Loading /> : rows.length ? <Table caption="Namespaces" rows={rows} columns={columns} rowKey={(row) => row.namespace} /> : <p>Nothing was submitted of this source that you may see.</p>}
      {pages.hasNextPage && (
        <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={() => void pages.fetchNextPage()}>
          Show more
        </button>
      )}
    </Card>
  );
}
