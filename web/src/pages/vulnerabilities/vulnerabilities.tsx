/** Vulnerabilities of all images, each once, the most urgent first. */
import { useQueryClient } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { exportHref } from "../../components/export";
import { Reasons } from "../../components/finding";
import { FilteredToNothing, Filters, isFiltered, PRIORITY_FILTER, SEVERITY_FILTER, type Filter } from "../../components/filters";
import { describeRows, FRESH, List, usePages, type Column } from "../../components/list";
import { Page } from "../../components/page";
import { format, formatProbability, Severity } from "../../components/severity";
import { Empty } from "../../components/states";
import { Command } from "../../components/text";
import { Time } from "../../components/time";
import { useUrl } from "../../url";
import { shortenPurl } from "../workload/images";
import { definitionQuery, imagesQuery, workloadsQuery } from "./query";

type Row = Schemas["VulnerabilityRow"];

const LENGTH = 100;
const SHOWN_PACKAGES = 2;
const yes = (label: string, no: string) => [
  { value: "true", label },
  { value: "false", label: no },
];
const FILTERS: Filter[] = [
  { name: "text", label: "Identifier or title" },
  PRIORITY_FILTER,
  SEVERITY_FILTER,
  { name: "exposed", label: "Reach", choices: yes("Reachable from outside", "Not reachable") },
  { name: "exploited", label: "Exploitation", choices: yes("Known to be exploited", "Not known") },
  { name: "fixable", label: "Fix", choices: yes("Fix available", "No fix yet") },
];
const COLUMNS: Column<Row>[] = [
  { title: "Vulnerability", kind: "main", cell: (row) => <><span className="kk-id">{row.id}</span> {row.title}</> },
  { title: "Priority", orders: [{ value: "priority", label: "most urgent first" }], cell: (row) => <Severity level={row.priority} /> },
  { title: "Upgrade", cell: (row) => <Upgrade row={row} /> },
  { title: "Why it matters", cell: (row) => <Reasons exposure={row.exposure} isExploited={row.isExploited} /> },
  { title: "EPSS", orders: [{ value: "epss", label: "most likely first" }], kind: "number", cell: (row) => (row.epss === null ? <span className="kk-soft">unknown</span> : formatProbability(row.epss)) },
  { title: "Images", orders: [{ value: "images", label: "most first" }], kind: "number", cell: (row) => format(row.images) },
  { title: "Open since", orders: [{ value: "newest", label: "newest first" }], cell: (row) => <Time value={row.opened} /> },
];

export default function Vulnerabilities() {
  const url = useUrl();
  const queries = useQueryClient();
  const order = (url.get("order") || "priority") as Schemas["VulnerabilityOrder"];
  const flag = (name: string) => (url.get(name) ? url.get(name) === "true" : undefined);
  const selection = {
    source: url.list("source").map(Number),
    priority: url.list("priority"),
    severity: url.list("severity"),
    text: url.get("text"),
    exposed: flag("exposed"),
    exploited: flag("exploited"),
    fixable: flag("fixable"),
  };
  const pages = usePages(["vulnerabilities", order, selection], (cursor) =>
    load(client.GET("/api/v1/vulnerabilities", { params: { query: { ...selection, order, cursor, limit: LENGTH } } })),
  );
  return (
    <Page title="Vulnerabilities" summary={pages.data && `${describeRows(pages, "vulnerability", "vulnerabilities")} of images, each once.`}>
      <Filters url={url} filters={FILTERS} />
      <List
        caption="Vulnerabilities"
        pages={pages}
        columns={COLUMNS}
        rowKey={(row) => row.id}
        href={(row) => `/vulnerabilities/${encodeURIComponent(row.id)}`}
        prefetch={(row) => {
          void queries.prefetchQuery({ ...definitionQuery(row.id), staleTime: FRESH });
          void queries.prefetchInfiniteQuery({ ...workloadsQuery(row.id), staleTime: FRESH });
          void queries.prefetchInfiniteQuery({ ...imagesQuery(row.id), staleTime: FRESH });
        }}
        order={order}
        onOrder={(next) => url.set({ order: next })}
        csv={exportHref("vulnerabilities", { ...selection, order })}
        empty={
          isFiltered(url, FILTERS) ? (
            <FilteredToNothing url={url} filters={FILTERS} />
          ) : (
            <Empty title="No image with a known vulnerability">
              <p>Images are assessed by scans with images. Submit one:</p>
              <Command text="kubekeep scan --images --submit" />
            </Empty>
          )
        }
      />
    </Page>
  );
}

function Upgrade({ row }: { row: Row }) {
  const names = [...new Set(row.packages.map((purl) => shortenPurl(purl).split(" ")[0] ?? purl))];
  const shown = names.slice(0, SHOWN_PACKAGES).join(", ") + (names.length > SHOWN_PACKAGES ? ` and ${names.length - SHOWN_PACKAGES} more` : "");
  return (
    <span className="kk-where">
      <span>{shown || <span className="kk-soft">no package named</span>}</span>
      <span className="kk-soft">{row.fixedVersions.length ? `to ${row.fixedVersions.slice(0, SHOWN_PACKAGES).join(" or ")}` : "no fix yet"}</span>
    </span>
  );
}
