/** The changes that remove most problems of high or critical priority, and who works on them. */
import { client, load, type Schemas } from "../../api/client";
import { DueSentence } from "../../components/due";
import { exportHref } from "../../components/export";
import { Filters } from "../../components/filters";
import { List, usePages, type Column } from "../../components/list";
import { OWNER, useOwnerFilters } from "../../components/owners";
import { Page } from "../../components/page";
import { format, plural, Severity } from "../../components/severity";
import { Empty } from "../../components/states";
import { Time } from "../../components/time";
import { useUrl } from "../../url";
import { ChangePanel } from "./panel";
import { ImageChangeTitle, keyOf, type Change } from "./words";

const LENGTH = 20;
const FIRST = 5;
const NAMED = 3;
const COLUMNS: Column<Change>[] = [
  { title: "Change", kind: "main", cell: (row) => <Title change={row} /> },
  { title: "Removes", kind: "number", cell: (row) => format(row.removed) },
  { title: "Where", cell: (row) => <Where change={row} /> },
  { title: "Who works on it", cell: (row) => <Workers change={row} /> },
];

export default function ThisWeek() {
  const url = useUrl();
  const source = url.list("source").map(Number);
  const owner = url.list(OWNER);
  const filters = useOwnerFilters(url, false);
  const pages = usePages<Change, Schemas["FixPage"]>(["fixes", "list", source, owner], (cursor) => load(client.GET("/api/v1/fixes", { params: { query: { source, owner, cursor, limit: LENGTH } } })));
  const first = pages.data?.pages[0];
  const rows = pages.data?.pages.flatMap((page) => page.rows) ?? [];
  const open = url.get("open");
  const opened = rows.find((row) => keyOf(row) === open);
  return (
    <Page title="This week" summary={first && summarize(first)}>
      {filters.length > 0 && <Filters url={url} filters={filters} />}
      <DueSentence source={source} owner={owner} />
      <div className="kk-split">
        <div className="kk-split-main">
          <List
            caption="Changes that remove most problems"
            pages={pages}
            columns={COLUMNS}
            rowKey={keyOf}
            href={(row) => `/this-week${url.with({ open: keyOf(row) })}`}
            openKey={open}
            csv={exportHref("changes", { source, owner })}
            empty={
              <Empty title="No change removes a problem of high or critical priority">
                <p>
                  <a href={`/findings${url.with({ open: "" })}`}>See findings of lower priority</a>
                </p>
              </Empty>
            }
          />
        </div>
        {opened && <ChangePanel key={open} change={opened} onClose={() => url.set({ open: "" })} />}
      </div>
    </Page>
  );
}

function summarize(page: Schemas["FixPage"]): string {
  if (!page.rows.length) return "Nothing of high or critical priority can be fixed by a known change.";
  const first = page.rows.slice(0, FIRST);
  const removed = first.reduce((total, row) => total + row.removed, 0);
  const share = Math.floor((100 * removed) / page.removed);
  const all = `${plural(page.changes, "change removes", "changes remove")} ${plural(page.removed, "problem")} of high or critical priority`;
  const largest = page.changes > first.length ? `; the first ${first.length} remove ${share} % of them` : "";
  return `${all}${largest}.`;
}

function Title({ change }: { change: Change }) {
  if (change.change === "remediation")
    return (
      <>
        {change.title} <Severity level={change.priority} />
        <span className="kk-soft kk-line kk-id">{change.definition}</span>
      </>
    );
  return (
    <>
      <ImageChangeTitle change={change} />
      <span className="kk-soft kk-line">
        {plural(change.vulnerabilities, "vulnerability", "vulnerabilities")}
        {change.change === "update" && ` in ${nameLargest(change)}`}
      </span>
    </>
  );
}

/** Return the packages of an update that fix most, as a part of a sentence. */
function nameLargest({ packages, largest }: Schemas["Update"]): string {
  const names = largest.slice(0, NAMED).map((each) => each.name);
  return packages > names.length ? `${names.join(", ")} and ${plural(packages - names.length, "other package")}` : names.join(", ");
}

function Where({ change }: { change: Change }) {
  const isOfImages = change.change !== "remediation";
  const exposed = isOfImages ? change.exposedWorkloads : change.exposed;
  return (
    <div>
      {isOfImages ? `${plural(change.images, "image")}, ${plural(change.workloads, "workload")}` : plural(change.removed, "finding")}
      {exposed > 0 && <span className="kk-soft kk-line">{format(exposed)} reachable from outside</span>}
    </div>
  );
}

function Workers({ change }: { change: Change }) {
  const { work } = change;
  const [first] = work;
  if (!first) return <span className="kk-soft">nobody</span>;
  return (
    <div>
      {first.owner || "somebody"}
      {work.length > 1 && ` and ${work.length - 1} more`}
      {first.due && (
        <span className="kk-soft kk-line">
          {new Date(first.due) < new Date() ? "was due" : "due"} <Time value={first.due} />
        </span>
      )}
    </div>
  );
}
