/** The versions of a package in use, those below another one, and the workloads that run them. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { Filters, type Filter } from "../../components/filters";
import { usePages, type Column } from "../../components/list";
import { Card, Page } from "../../components/page";
import { format, plural } from "../../components/severity";
import { Await } from "../../components/states";
import { Table } from "../../components/table";
import { useUrl } from "../../url";
import { WorkloadList } from "../vulnerabilities/workloads";

type Version = Schemas["VersionRow"];

const LENGTH = 100;
const MOST_PURLS = 100;
const FILTERS: Filter[] = [{ name: "below", label: "Only versions below" }];

export default function Package({ type, name }: { type: string; name: string }) {
  const url = useUrl();
  const below = url.get("below");
  const versions = useQuery({
    queryKey: ["versions", type, name, below],
    queryFn: () => load(client.GET("/api/v1/packages/versions", { params: { query: { type, name, below } } })),
    placeholderData: (before) => before,
  });
  const selected = (versions.data ?? []).filter((row) => !below || row.isBelow !== false);
  const images = selected.reduce((total, row) => total + row.images, 0);
  const summary = versions.data && (selected.length ? `${plural(selected.length, "version")} in ${plural(images, "image")}${below ? `, below ${below} or not comparable with it` : ""}.` : `No image has a version below ${below}.`);
  return (
    <Page title={name} summary={summary} trail={[{ name: "Packages", href: "/packages" }]}>
      <Filters url={url} filters={FILTERS} />
      <Await query={versions}>
        {() => (
          <div className="kk-stack">
            <Card title="Versions in use">
              <Versions rows={selected} below={below} />
            </Card>
            {selected.length > 0 && (
              <Card title="Workloads that run them">
                <Workloads purls={selected.flatMap((row) => row.purls)} />
              </Card>
            )}
          </div>
        )}
      </Await>
    </Page>
  );
}

function Versions({ rows, below }: { rows: Version[]; below: string }) {
  const columns: Column<Version>[] = [
    {
      title: "Version",
      kind: "main",
      cell: (row) => (
        <>
          {row.version} {below && row.isBelow === null && <span className="kk-soft">cannot be compared</span>}
        </>
      ),
    },
    { title: "Images", kind: "number", cell: (row) => format(row.images) },
  ];
  return <Table caption="Versions" rows={rows} columns={columns} rowKey={(row) => row.version} />;
}

function Workloads({ purls }: { purls: string[] }) {
  const shown = purls.slice(0, MOST_PURLS);
  const pages = usePages(["package workloads", shown], (cursor) => load(client.GET("/api/v1/packages/workloads", { params: { query: { purl: shown, cursor, limit: LENGTH } } })));
  return (
    <>
      {purls.length > MOST_PURLS && <p className="kk-soft">Of the first {MOST_PURLS} of {format(purls.length)} versions.</p>}
      <WorkloadList pages={pages} empty={<p>No workload of the submitted sources runs an image with these versions.</p>} />
    </>
  );
}
