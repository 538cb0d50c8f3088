/** Images that the sources have or run, the one with most critical problems first. */
import { client, load, type Schemas } from "../../api/client";
import { exportHref } from "../../components/export";
import { Reasons } from "../../components/finding";
import { FilteredToNothing, Filters, isFiltered, type Filter } from "../../components/filters";
import { describeRows, List, usePages, type Column } from "../../components/list";
import { Page } from "../../components/page";
import { format, SeverityCounts } from "../../components/severity";
import { Empty } from "../../components/states";
import { Command, Name } from "../../components/text";
import { Time } from "../../components/time";
import { useUrl } from "../../url";

export type ImageRow = Schemas["ImageRow"];

const LENGTH = 100;
const yes = (label: string, no: string) => [
  { value: "true", label },
  { value: "false", label: no },
];
const FILTERS: Filter[] = [
  { name: "text", label: "Name or digest" },
  { name: "exposed", label: "Reach", choices: yes("Reachable from outside", "Not reachable") },
  { name: "fixable", label: "Fix", choices: yes("Fix available", "No fix") },
  { name: "assessed", label: "Assessment", choices: yes("Assessed", "Not assessed") },
  { name: "distribution", label: "Operating system", isRare: true },
  { name: "repository", label: "Repository", isRare: true },
];
export const IMAGE_COLUMNS: Column<ImageRow>[] = [
  { title: "Image", kind: "main", cell: (row) => <ImageTitle row={row} /> },
  { title: "Problems", orders: [{ value: "priority", label: "most critical first" }], cell: (row) => <ImageProblemCounts row={row} /> },
  { title: "Fixable", orders: [{ value: "fixable", label: "most first" }], kind: "number", cell: (row) => (row.problems ? format(row.fixable) : "") },
  { title: "Workloads", orders: [{ value: "workloads", label: "most first" }], kind: "number", cell: (row) => format(row.workloads) },
  { title: "Why it matters", cell: (row) => <Reasons exposure={row.exposure} /> },
  { title: "First seen", orders: [{ value: "newest", label: "newest first" }], cell: (row) => <Time value={row.opened} /> },
];

export default function Images() {
  const url = useUrl();
  const order = (url.get("order") || "priority") as Schemas["ImageOrder"];
  const flag = (name: string) => (url.get(name) ? url.get(name) === "true" : undefined);
  const selection = {
    source: url.list("source").map(Number),
    text: url.get("text"),
    distribution: url.get("distribution"),
    repository: url.get("repository"),
    exposed: flag("exposed"),
    fixable: flag("fixable"),
    assessed: flag("assessed"),
  };
  const pages = usePages(["images", order, selection], (cursor) => load(client.GET("/api/v1/images", { params: { query: { ...selection, order, cursor, limit: LENGTH } } })));
  const rows = pages.data?.pages.flatMap((page) => page.rows) ?? [];
  const unassessed = rows.filter((row) => row.problems === null).length;
  return (
    <Page title="Images" summary={pages.data && `${describeRows(pages, "image")} that sources have or workloads run${unassessed ? `; ${unassessed} of those below ${unassessed === 1 ? "was" : "were"} not assessed` : ""}.`}>
      <Filters url={url} filters={FILTERS} />
      <List
        caption="Images"
        pages={pages}
        columns={IMAGE_COLUMNS}
        rowKey={(row) => row.digest}
        href={(row) => `/images/${row.digest}`}
        order={order}
        onOrder={(next) => url.set({ order: next })}
        csv={exportHref("images", { ...selection, order })}
        empty={
          isFiltered(url, FILTERS) ? (
            <FilteredToNothing url={url} filters={FILTERS} />
          ) : (
            <Empty title="No image is known">
              <p>Scans with images submit them:</p>
              <Command text="kubekeep scan --images --submit" />
            </Empty>
          )
        }
      />
    </Page>
  );
}

function ImageTitle({ row }: { row: ImageRow }) {
  const [name, ...others] = row.references;
  return (
    <>
      <Name text={name ?? row.digest} />
      <span className="kk-soft kk-line">{[row.distribution, row.platform, others.length ? `and ${others.length} more names` : ""].filter(Boolean).join(" · ")}</span>
    </>
  );
}

function ImageProblemCounts({ row }: { row: ImageRow }) {
  return row.problems ? <SeverityCounts counts={row.problems} /> : <span className="kk-soft">not assessed</span>;
}
