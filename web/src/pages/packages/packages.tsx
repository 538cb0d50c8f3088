/** Packages of all images, by a part of their name. */
import { client, load, type Schemas } from "../../api/client";
import { exportHref } from "../../components/export";
import { FilteredToNothing, Filters, isFiltered, type Filter } from "../../components/filters";
import { describeRows, List, usePages, type Column } from "../../components/list";
import { Page } from "../../components/page";
import { format } from "../../components/severity";
import { Empty } from "../../components/states";
import { Command } from "../../components/text";
import { useUrl } from "../../url";

type Row = Schemas["PackageRow"];

const LENGTH = 200;
const FILTERS: Filter[] = [{ name: "text", label: "Name" }];
const COLUMNS: Column<Row>[] = [
  { title: "Package", orders: [{ value: "name", label: "A to Z", isAscending: true }], kind: "main", cell: (row) => row.name },
  { title: "Type", cell: (row) => row.type },
  { title: "Versions", kind: "number", cell: (row) => format(row.versions) },
  { title: "Images", kind: "number", cell: (row) => format(row.images) },
];

export default function Packages() {
  const url = useUrl();
  const text = url.get("text");
  const pages = usePages(["packages", text], (cursor) => load(client.GET("/api/v1/packages", { params: { query: { text, cursor, limit: LENGTH } } })));
  return (
    <Page title="Packages" summary={pages.data && `${describeRows(pages, "package")} in the images that were assessed. Open one to see its versions and who runs them.`}>
      <Filters url={url} filters={FILTERS} />
      <List
        caption="Packages"
        pages={pages}
        columns={COLUMNS}
        order="name"
        csv={exportHref("packages", { text })}
        rowKey={(row) => `${row.type} ${row.name}`}
        href={(row) => `/packages/${row.type}/${encodeURIComponent(row.name)}`}
        empty={
          isFiltered(url, FILTERS) ? (
            <FilteredToNothing url={url} filters={FILTERS} />
          ) : (
            <Empty title="No packages are known">
              <p>Scans with images list their packages:</p>
              <Command text="kubekeep scan --images --submit" />
            </Empty>
          )
        }
      />
    </Page>
  );
}
