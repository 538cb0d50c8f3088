/** Decisions on findings: what waits for approval, what is in force, and what has ended. */
import { useState } from "react";
import { client, load, type Schemas } from "../../api/client";
import { exportHref } from "../../components/export";
import { FilteredToNothing, Filters, isFiltered, type Filter } from "../../components/filters";
import { List, useCount, usePages, type Column } from "../../components/list";
import { Page } from "../../components/page";
import { Empty } from "../../components/states";
import { Time } from "../../components/time";
import { useUrl } from "../../url";
import { ExportDialog } from "./export";
import { DecisionPanel } from "./panel";
import { describeScope, KINDS, STATES } from "./words";

type Row = Schemas["DecisionRow"];

const LENGTH = 100;
const list = (words: Record<string, string>) => Object.entries(words).map(([value, label]) => ({ value, label }));
const FILTERS: Filter[] = [
  { name: "owner", label: "Owner" },
  { name: "state", label: "State", isList: true, choices: list(STATES) },
  { name: "kind", label: "Decision", isList: true, choices: list(KINDS) },
];
const COLUMNS: Column<Row>[] = [
  { title: "Decision", kind: "main", cell: (row) => <Title row={row} /> },
  { title: "State", cell: (row) => STATES[row.state] },
  { title: "By", cell: (row) => row.author },
  { title: "Owner", cell: (row) => row.owner || <span className="kk-soft">nobody</span> },
  { title: "Until", cell: (row) => <Time value={row.expires} /> },
];

export default function Decisions() {
  const url = useUrl();
  const [count, setCount] = useState("");
  const [isExporting, setExporting] = useState(false);
  const state = url.list("state") as Schemas["DecisionState"][];
  const selection = { state, kind: url.list("kind") as Schemas["DecisionKind"][], owner: url.get("owner") };
  const pages = usePages(["decisions", selection], (cursor) => load(client.GET("/api/v1/decisions", { params: { query: { ...selection, cursor, limit: LENGTH } } })));
  const waiting = usePages(["decisions", ["proposed"]], (cursor) => load(client.GET("/api/v1/decisions", { params: { query: { state: ["proposed"], cursor, limit: LENGTH } } })));
  useCount(pages, "decision", setCount);
  const proposed = waiting.data?.pages[0]?.rows.length ?? 0;
  const open = url.get("open");
  return (
    <Page title="Decisions" summary={count && `${count}, the newest first; ${proposed ? `${proposed}${waiting.hasNextPage ? "+ wait" : proposed === 1 ? " waits" : " wait"} for approval` : "none waits for approval"}.`} actions={<ExportButton onClick={() => setExporting(true)} />}>
      <Filters url={url} filters={FILTERS} />
      <div className="kk-split">
        <div className="kk-split-main">
          <List
            caption="Decisions"
            pages={pages}
            columns={COLUMNS}
            rowKey={(row) => String(row.id)}
            href={(row) => `/decisions${url.with({ open: String(row.id) })}`}
            openKey={open}
            csv={exportHref("decisions", selection)}
            empty={isFiltered(url, FILTERS) ? <FilteredToNothing url={url} filters={FILTERS} /> : <Nothing />}
          />
        </div>
        {open && <DecisionPanel key={open} number={Number(open)} onClose={() => url.set({ open: "" })} />}
      </div>
      {isExporting && <ExportDialog onClose={() => setExporting(false)} />}
    </Page>
  );
}

function ExportButton({ onClick }: { onClick: () => void }) {
  return (
    <button type="button" className="pf-v6-c-button pf-m-secondary" onClick={onClick}>
      Export for other programs
    </button>
  );
}

function Nothing() {
  return (
    <Empty title="Nobody has decided on a finding yet">
      <p>
        Open a <a href="/findings">finding</a> or a <a href="/vulnerabilities">vulnerability</a> and choose Decide: to accept a risk, to mark a false positive, or to say who works on it.
      </p>
    </Empty>
  );
}

function Title({ row }: { row: Row }) {
  return (
    <>
      {KINDS[row.kind]}: {row.titles[0]} {row.titles.length > 1 && `and ${row.titles.length - 1} more`}
      <span className="kk-soft kk-line">{describeScope(row.scope)}</span>
      <span className="kk-soft kk-clamp">{row.reason}</span>
    </>
  );
}
