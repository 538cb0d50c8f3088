/** A framework: its requirements, their states now and in each source over a period, and the export of the evidence. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { Chart } from "../../components/chart";
import { Filters, FilteredToNothing, isFiltered, type Filter } from "../../components/filters";
import { usePages, type Column } from "../../components/list";
import { Page } from "../../components/page";
import { format, plural } from "../../components/severity";
import { Await } from "../../components/states";
import { Table } from "../../components/table";
import { Time } from "../../components/time";
import { nameSource } from "../../sources";
import { query, useUrl } from "../../url";
import { PERIOD } from "./frameworks";
import { RequirementPanel } from "./requirement";
import { LABELS, readPeriod, StateCounts, StateLabel, STATES } from "./states";

type Framework = Schemas["FrameworkPage"];
type Row = Schemas["RequirementRow"];
type InSource = Schemas["SourcePeriod"];

const FILTERS: Filter[] = [{ name: "state", label: "State", isList: true, choices: STATES.map((state) => ({ value: state, label: LABELS[state] })) }, ...PERIOD];

export default function FrameworkDetails({ id }: { id: string }) {
  const url = useUrl();
  const source = url.list("source").map(Number);
  const period = readPeriod(url);
  const page = useQuery({
    queryKey: ["framework", id, source, period],
    queryFn: () => load(client.GET("/api/v1/compliance/frameworks/{key}", { params: { path: { key: id }, query: { source, ...period } } })),
    placeholderData: (before) => before,
  });
  const open = url.get("open");
  return (
    <Page title={page.data?.title ?? id} summary={page.data && summarize(page.data)} trail={[{ name: "Frameworks", href: `/frameworks${url.with({ open: "", state: "" })}` }]} actions={<Export id={id} />}>
      <Filters url={url} filters={FILTERS} />
      <Await query={page}>
        {(data) => (
          <div className="kk-split">
            <div className="kk-split-main">
              <Requirements data={data} />
              <Trend data={data} />
              <Sources id={id} />
            </div>
            {open && <RequirementPanel key={open} framework={id} requirement={open} onClose={() => url.set({ open: "" })} />}
          </div>
        )}
      </Await>
    </Page>
  );
}

function summarize(data: Framework): string {
  const count = (state: string) => data.requirements.filter((row) => row.state === state).length;
  const parts = STATES.filter((state) => count(state)).map((state) => `${format(count(state))} ${LABELS[state].toLowerCase()}`);
  const limited = data.limited ? ` ${plural(data.limited, "source")} of which you see some namespaces ${data.limited === 1 ? "is" : "are"} not counted.` : "";
  return `${plural(data.requirements.length, "requirement")} in ${plural(data.sources, "source")} at the end of the period, where they were evaluated: ${parts.join(", ")}.${limited}`;
}

function Requirements({ data }: { data: Framework }) {
  const url = useUrl();
  const states = url.list("state");
  const rows = data.requirements.filter((row) => !states.length || states.includes(row.state));
  if (!rows.length && isFiltered(url, FILTERS)) return <FilteredToNothing url={url} filters={FILTERS} />;
  const columns: Column<Row>[] = [
    {
      title: "Requirement",
      kind: "main",
      cell: (row) => (
        <a href={url.with({ open: row.id })} data-row={row.id}>
          <span className="kk-id">{row.id}</span> {row.title}
          {row.section && row.section !== row.title && <span className="kk-soft kk-line">{row.section}</span>}
        </a>
      ),
    },
    { title: "State", cell: (row) => <StateLabel state={row.state} /> },
    { title: "Controls in sources", cell: (row) => (row.controls.length ? <StateCounts counts={row.checks} /> : <span className="kk-soft">no control evaluates it</span>) },
    { title: "Sources", kind: "number", cell: (row) => `${format(row.evaluated)} of ${format(data.sources)}` },
  ];
  const isEvaluated = (row: Row) => row.state !== "not-evaluated";
  const [evaluated, others] = [rows.filter(isEvaluated), rows.filter((row) => !isEvaluated(row))];
  return (
    <>
      {evaluated.length > 0 && <Table caption="Requirements" rows={evaluated} columns={columns} rowKey={(row) => row.id} />}
      {others.length > 0 && (
        <details className="kk-more" open={!evaluated.length}>
          <summary>{plural(others.length, "requirement")} that no scan has evaluated</summary>
          <Table caption="Requirements that no scan has evaluated" rows={others} columns={columns} rowKey={(row) => row.id} />
        </details>
      )}
    </>
  );
}

function Trend({ data }: { data: Framework }) {
  const dates = data.trend.map((point) => point.moment.slice(0, 10));
  const values = (state: string) => data.trend.map((point) => point.checks[state] ?? 0);
  return (
    <div className="kk-trend">
      <Chart
        title="Controls in sources over the period"
        series={[
          { name: "Failed", style: "kk-line-critical", dates, values: values("failed") },
          { name: "Passed", style: "kk-line-medium", dates, values: values("passed") },
        ]}
      />
    </div>
  );
}

/** Requirements by their state over the whole period in each source. */
function Sources({ id }: { id: string }) {
  const url = useUrl();
  const source = url.list("source").map(Number);
  const period = readPeriod(url);
  const pages = usePages<InSource>(["framework-sources", id, source, period], (cursor) =>
    load(client.GET("/api/v1/compliance/frameworks/{key}/sources", { params: { path: { key: id }, query: { source, ...period, cursor } } })),
  );
  const rows = pages.data?.pages.flatMap((page) => page.rows) ?? [];
  const columns: Column<InSource>[] = [
    { title: "Source", kind: "main", cell: (row) => <a href={url.with({ source: String(row.id), open: "" })}>{nameSource(row)}</a> },
    { title: "Requirements over the whole period", cell: (row) => <StateCounts counts={count(Object.values(row.states))} /> },
    { title: "Last scan", cell: (row) => (row.evaluated ? <Time value={row.evaluated} /> : <span className="kk-soft">never</span>) },
  ];
  return (
    <section aria-labelledby="framework-sources">
      <h2 className="pf-v6-c-title pf-m-lg" id="framework-sources">
        Sources
      </h2>
      <Await query={pages}>
        {() => <Table caption="Sources" rows={rows} columns={columns} rowKey={(row) => row.id} />}
      </Await>
      {pages.hasNextPage && (
        <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={() => void pages.fetchNextPage()}>
          Show more
        </button>
      )}
    </section>
  );
}

function count(states: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const state of states) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

function Export({ id }: { id: string }) {
  const url = useUrl();
  const href = (format: string) => {
    const parameters = new URLSearchParams({ format, ...readPeriod(url) });
    for (const source of url.list("source")) parameters.append("source", source);
    return `/api/v1/compliance/frameworks/${encodeURIComponent(id)}/evidence${query(parameters)}`;
  };
  return (
    <span className="kk-actions">
      <a className="pf-v6-c-button pf-m-secondary" href={href("csv")} download>
        Evidence as CSV
      </a>
      <a className="pf-v6-c-button pf-m-secondary" href={href("json")} download>
        JSON
      </a>
    </span>
  );
}
