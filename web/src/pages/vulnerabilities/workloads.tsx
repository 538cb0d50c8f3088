/** Containers that run an image, those that can be reached first. */
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { Reasons } from "../../components/finding";
import { List, type Column, type Pages } from "../../components/list";
import { Name } from "../../components/text";
import { nameSource, nameSubject } from "../../sources";

type Row = Schemas["RunningWorkload"];

const COLUMNS: Column<Row>[] = [
  { title: "Workload", kind: "main", cell: (row) => <Name text={nameSubject(row)} /> },
  { title: "Kind", cell: (row) => row.kind },
  { title: "Container", cell: (row) => row.container },
  { title: "Source", cell: (row) => <Name text={nameSource({ name: row.sourceName, branch: row.branch })} /> },
  { title: "Why it matters", cell: (row) => <Reasons exposure={row.exposure} /> },
];

export function WorkloadList({ pages, csv, empty }: { pages: Pages<Row>; csv?: string; empty: ReactNode }) {
  return (
    <List
      caption="Workloads"
      pages={pages}
      columns={COLUMNS}
      rowKey={(row) => `${row.source}.${row.subject}.${row.container}.${row.digest}`}
      href={(row) => `/workloads/${row.source}/${row.subject}`}
      csv={csv}
      empty={empty}
    />
  );
}
