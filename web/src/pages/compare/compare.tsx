/** Two scans, branches or sources side by side: what is new, gone, in both, and what cannot be compared. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { exportHref } from "../../components/export";
import { FilteredToNothing, Filters, isFiltered, type Filter } from "../../components/filters";
import { List, usePages, type Column } from "../../components/list";
import { Card, Page } from "../../components/page";
import { format, plural, Severity } from "../../components/severity";
import { Await } from "../../components/states";
import { Table } from "../../components/table";
import { Name } from "../../components/text";
import { Time } from "../../components/time";
import { nameSource, nameSubject } from "../../sources";
import { useUrl, type UrlState } from "../../url";
import { ChooseSides } from "./choose";

type Comparison = Schemas["Comparison"];
type Side = Schemas["ComparedSide"];
type Row = Schemas["ComparedFinding"];
type Control = Schemas["ComparedControl"];

const LENGTH = 100;
const SHOWN_CONTROLS = 10;
const CHANGES: Record<Schemas["Change"], string> = { new: "New", gone: "Gone", both: "In both", incomparable: "Not comparable" };
type Words = typeof CHANGES;

/** Return words for changes: only scans and branches of one source come one after another. */
function nameChanges({ before, after }: Comparison): Words {
  return after.name === before.name ? CHANGES : { ...CHANGES, new: `Only in ${after.name}`, gone: `Only in ${before.name}` };
}

function listFilters(words: Words): Filter[] {
  return [
    { name: "text", label: "Name of the workload" },
    { name: "change", label: "Change", isList: true, choices: Object.entries(words).map(([value, label]) => ({ value, label })) },
    { name: "definition", label: "Control", isRare: true },
  ];
}

function listColumns(words: Words): Column<Row>[] {
  return [
    { title: "Finding", kind: "main", cell: (row) => <><span className="kk-id">{row.definition.split("/").at(-1)}</span> {row.title}</> },
    { title: "Change", cell: (row) => <ChangeText row={row} words={words} /> },
    { title: "Priority", cell: (row) => <Severity level={row.priority} /> },
    { title: "Workload", cell: (row) => <><Name text={nameSubject(row)} /> <span className="kk-soft kk-line">{row.kind}</span></> },
  ];
}

export default function Compare() {
  const url = useUrl();
  const from = url.get("from");
  const to = url.get("to");
  if (!from || !to)
    return (
      <Page title="Compare" summary="Choose two sources: clusters, or branches of a repository.">
        <ChooseSides url={url} />
      </Page>
    );
  return <Compared from={from} to={to} url={url} />;
}

function Compared({ from, to, url }: { from: string; to: string; url: UrlState }) {
  const comparison = useQuery({ queryKey: ["comparison", from, to], queryFn: () => load(client.GET("/api/v1/comparison", { params: { query: { from, to } } })) });
  const data = comparison.data;
  return (
    <Page
      title="Compare"
      summary={data && summarize(data)}
      trail={data ? [{ name: "Sources", href: "/sources" }, { name: nameSource(data.before), href: `/sources/${data.before.source}` }] : [{ name: "Sources", href: "/sources" }]}
      actions={
        <a className="pf-v6-c-button pf-m-secondary" href="/compare">
          Choose others
        </a>
      }
    >
      <Await query={comparison}>
        {(result) => (
          <div className="kk-stack">
            <Sides comparison={result} url={url} />
            {result.controls.length > 0 && <Controls controls={result.controls} words={nameChanges(result)} url={url} />}
            <Findings from={from} to={to} words={nameChanges(result)} url={url} />
          </div>
        )}
      </Await>
    </Page>
  );
}

function summarize({ counts, after, before }: Comparison): string {
  const { new: added = 0, gone = 0, both = 0, incomparable = 0 } = counts;
  const rest = `${format(both)} ${both === 1 ? "is" : "are"} in both${incomparable ? `, and ${format(incomparable)} cannot be compared because one side did not look for ${incomparable === 1 ? "it" : "them"}` : ""}.`;
  if (after.source === before.source) return `${plural(added, "finding")} ${added === 1 ? "is" : "are"} new in the later scan, ${format(gone)} ${gone === 1 ? "is" : "are"} gone; ${rest}`;
  return `${nameSource(after)} has ${plural(added, "finding")} that ${nameSource(before)} does not have; ${format(gone)} ${gone === 1 ? "is" : "are"} only in ${nameSource(before)}; ${rest}`;
}

/** Both sides with their numbers, each of which filters the rows below. */
function Sides({ comparison, url }: { comparison: Comparison; url: UrlState }) {
  const words = nameChanges(comparison);
  const isOrdered = words === CHANGES;
  return (
    <Card title="Findings">
      <div className="kk-sides">
        <SideFacts label={isOrdered ? "Before" : "First"} side={comparison.before} />
        <SideFacts label={isOrdered ? "After" : "Second"} side={comparison.after} />
      </div>
      <dl className="kk-compare">
        {Object.entries(words).map(([change, label]) => (
          <div key={change}>
            <dt>
              <a href={`/compare${url.with({ change })}`}>{label}</a>
            </dt>
            <dd>
              <strong>{format(comparison.counts[change] ?? 0)}</strong>
            </dd>
          </div>
        ))}
      </dl>
      <p className="kk-soft">Findings that exceptions and decisions cover are included. Problems of images are not compared.</p>
    </Card>
  );
}

function SideFacts({ label, side }: { label: string; side: Side }) {
  return (
    <p>
      <span className="kk-soft">{label}: </span>
      <a href={`/sources/${side.source}`}>{nameSource(side)}</a>, {side.scan ? "scan of " : "last scan "}
      <Time value={side.finished} />, {plural(side.findings, "finding")}
      {!side.isEvaluationKnown && <span className="kk-notice">it is not stored what this scan evaluated</span>}
    </p>
  );
}

function Controls({ controls, words, url }: { controls: Control[]; words: Words; url: UrlState }) {
  const changed = controls.filter((row) => row.new + row.gone + row.incomparable > 0);
  const columns: Column<Control>[] = [
    { title: "Control", kind: "main", cell: (row) => <a href={`/compare${url.with({ definition: row.definition })}`}><span className="kk-id">{row.definition.split("/").at(-1)}</span> {row.title}</a> },
    { title: words.new, kind: "number", cell: (row) => format(row.new) },
    { title: words.gone, kind: "number", cell: (row) => format(row.gone) },
    { title: words.both, kind: "number", cell: (row) => format(row.both) },
    { title: words.incomparable, kind: "number", cell: (row) => format(row.incomparable) },
  ];
  const table = (rows: Control[]) => <Table caption="Changes by control" rows={rows} columns={columns} rowKey={(row) => row.definition} />;
  if (!changed.length) return null;
  return (
    <Card title="By control">
      {table(changed.slice(0, SHOWN_CONTROLS))}
      {changed.length > SHOWN_CONTROLS && (
        <details>
          <summary>{plural(changed.length - SHOWN_CONTROLS, "more control")}</summary>
          {table(changed.slice(SHOWN_CONTROLS))}
        </details>
      )}
    </Card>
  );
}

function Findings({ from, to, words, url }: { from: string; to: string; words: Words; url: UrlState }) {
  const filters = listFilters(words);
  const selection = { change: url.list("change") as Schemas["Change"][], definition: url.get("definition"), text: url.get("text") };
  const pages = usePages(["compared", from, to, selection], (cursor) => load(client.GET("/api/v1/comparison/findings", { params: { query: { from, to, ...selection, cursor, limit: LENGTH } } })));
  return (
    <section>
      <Filters url={url} filters={filters} />
      <List
        caption="Compared findings"
        pages={pages}
        columns={listColumns(words)}
        rowKey={(row) => `${row.source}.${row.subject}.${row.definition}.${row.change}`}
        href={(row) => `/workloads/${row.source}/${row.subject}`}
        csv={exportHref("comparison", { from, to, ...selection })}
        empty={isFiltered(url, filters) ? <FilteredToNothing url={url} filters={filters} /> : <p>Neither side has a finding.</p>}
      />
    </section>
  );
}

function ChangeText({ row, words }: { row: Row; words: Words }) {
  return (
    <>
      {words[row.change]}
      {row.reason && <span className="kk-soft kk-line">{row.reason}</span>}
    </>
  );
}
