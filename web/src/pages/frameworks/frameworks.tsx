/** Frameworks with the states of their requirements, and how they have changed. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { AddSource } from "../../components/add-source";
import { Filters, type Filter } from "../../components/filters";
import type { Column } from "../../components/list";
import { Page } from "../../components/page";
import { format, plural, sum } from "../../components/severity";
import { Await, Empty } from "../../components/states";
import { Table } from "../../components/table";
import { useUrl } from "../../url";
import { readPeriod, StateCounts } from "./states";

type Row = Schemas["FrameworkRow"];
type Frameworks = Schemas["FrameworkList"];

export const PERIOD: Filter[] = [
  { name: "since", label: "From", isDate: true },
  { name: "until", label: "To", isDate: true },
];

export default function Frameworks() {
  const url = useUrl();
  const source = url.list("source").map(Number);
  const period = readPeriod(url);
  const list = useQuery({
    queryKey: ["frameworks", source, period],
    queryFn: () => load(client.GET("/api/v1/compliance/frameworks", { params: { query: { source, ...period } } })),
    placeholderData: (before) => before,
  });
  const columns: Column<Row>[] = [
    { title: "Framework", kind: "main", cell: (row) => <a href={`/frameworks/${encodeURIComponent(row.key)}${url.with({})}`}>{row.title}</a> },
    { title: "Requirements", cell: (row) => <StateCounts counts={row.requirements} /> },
    { title: "Failed controls", kind: "number", cell: (row) => format(row.checks["failed"] ?? 0) },
    { title: "In the period", cell: (row) => <Change before={row.before} after={row.checks} /> },
  ];
  return (
    <Page title="Frameworks" summary={list.data && summarize(list.data)}>
      <Filters url={url} filters={PERIOD} />
      <Await query={list}>
        {(data) => {
          const isEvaluated = (row: Row) => sum(row.checks) > 0;
          const known = data.frameworks.filter(isEvaluated);
          if (data.sources === 0 && data.limited === 0) return <AddSource />;
          if (!known.length)
            return (
              <Empty title="No framework was evaluated here">
                <p>{data.limited ? "States are those of whole sources, and your rights cover some namespaces only." : "No source in the scope was scanned in this period. Choose another period or scope."}</p>
              </Empty>
            );
          return (
            <>
              <Table caption="Published standards" rows={known.filter((row) => row.isStandard)} columns={columns} rowKey={(row) => row.key} />
              <details className="kk-more">
                <summary>Other sets of controls</summary>
                <Table caption="Other sets of controls" rows={known.filter((row) => !row.isStandard)} columns={columns} rowKey={(row) => row.key} />
              </details>
            </>
          );
        }}
      </Await>
    </Page>
  );
}

function summarize(data: Frameworks): string {
  const standards = data.frameworks.filter((row) => row.isStandard && sum(row.checks) > 0);
  const failed = standards.filter((row) => (row.requirements["failed"] ?? 0) > 0).length;
  const limited = data.limited ? ` ${plural(data.limited, "source")} of which you see some namespaces ${data.limited === 1 ? "is" : "are"} not counted.` : "";
  if (!standards.length) return `No standard was evaluated in ${plural(data.sources, "source")}.${limited}`;
  return `${failed} of ${plural(standards.length, "standard")} ${failed === 1 ? "has" : "have"} failed requirements in ${plural(data.sources, "source")}.${limited}`;
}

/** The change of the number of failed controls, each counted in each source. */
export function Change({ before, after }: { before: Record<string, number>; after: Record<string, number> }) {
  if (!sum(before)) return <span className="kk-soft">not evaluated at its start</span>;
  const change = (after["failed"] ?? 0) - (before["failed"] ?? 0);
  if (!change) return <span className="kk-soft">unchanged</span>;
  return (
    <span>
      <span aria-hidden="true">{change > 0 ? "↑" : "↓"}</span> {format(Math.abs(change))} {change > 0 ? "more failed" : "fewer failed"}
    </span>
  );
}
