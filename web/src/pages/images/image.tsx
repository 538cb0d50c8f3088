/** One image: who runs it, what to change, and what it consists of. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { exportHref } from "../../components/export";
import { Reasons } from "../../components/finding";
import { Filters, type Filter } from "../../components/filters";
import { describeRows, List, usePages, type Column } from "../../components/list";
import { Card, Facts, Page } from "../../components/page";
import { format, plural, Severity, SeverityCounts } from "../../components/severity";
import { SoftwareDocuments } from "../../components/software";
import { Await } from "../../components/states";
import { Table } from "../../components/table";
import { Copy, Name } from "../../components/text";
import { Time } from "../../components/time";
import { useUrl } from "../../url";
import { WorkloadList } from "../vulnerabilities/workloads";
import { Problems } from "../workload/images";
import { IMAGE_COLUMNS } from "./images";

type Image = Schemas["ImagePage"];
type Change = Schemas["ImageChange"];
type Layer = Schemas["ImageLayer"];
type PackageRow = Schemas["ImagePackageRow"];

const LENGTH = 100;
const SHOWN_CHANGES = 8;
const DIGEST = 19;
const FILTERS: Filter[] = [{ name: "package", label: "Name of a package" }];
const CHANGE_COLUMNS: Column<Change>[] = [
  { title: "Upgrade", kind: "main", cell: (row) => <><a href={`/packages/${row.type}/${encodeURIComponent(row.name)}`}>{row.name}</a> {row.versions.join(", ")} → {row.fixedVersion}</> },
  { title: "Most urgent", cell: (row) => <Severity level={row.priority} /> },
  { title: "Problems", kind: "number", cell: (row) => format(row.problems) },
];
const LAYER_COLUMNS: Column<Layer>[] = [
  { title: "Layer", kind: "main", cell: (row) => (row.digest ? <code title={row.digest}>{row.digest.slice(0, DIGEST)}</code> : <span className="kk-soft">not known</span>) },
  { title: "Packages", kind: "number", cell: (row) => format(row.packages) },
  { title: "Problems", kind: "number", cell: (row) => format(row.problems) },
];
const PACKAGE_COLUMNS: Column<PackageRow>[] = [
  { title: "Package", kind: "main", cell: (row) => row.name },
  { title: "Version", cell: (row) => row.version },
  { title: "Problems", kind: "number", cell: (row) => format(row.problems) },
  { title: "Layer", cell: (row) => <code title={row.layer}>{row.layer.slice(0, DIGEST)}</code> },
  { title: "File", cell: (row) => <Name text={row.path} /> },
  { title: "Licences", cell: (row) => row.licences.join(", ") },
];

export default function ImageDetails({ digest }: { digest: string }) {
  const image = useQuery({ queryKey: ["image", digest], queryFn: () => load(client.GET("/api/v1/images/{digest}", { params: { path: { digest } } })) });
  return (
    <Page title={image.data?.references[0] ?? digest} summary={image.data && summarize(image.data)} trail={[{ name: "Images", href: "/images" }]}>
      <Await query={image}>{(data) => <Content image={data} />}</Await>
    </Page>
  );
}

function summarize(image: Image): string {
  const where = image.workloads
    ? `It runs in ${plural(image.workloads, "workload")}, ${image.exposedWorkloads ? `${format(image.exposedWorkloads)} of them reachable from outside` : "none of them known to be reachable from outside"}`
    : "No workload is known to run it";
  if (image.problems === null) return `${where}; it was not assessed.`;
  if (!image.total) return `${where}; no known problem is open.`;
  const problems = plural(image.total, "problem");
  if (image.systemFixable) return `${where}; newer packages of ${image.distribution || "its operating system"}, as in a newer base image, remove ${format(image.systemFixable)} of ${problems}.`;
  return `${where}; ${image.fixable ? `newer packages fix ${format(image.fixable)} of ${problems}` : `${problems}, none with a fix`}.`;
}

function Content({ image }: { image: Image }) {
  const { digest } = image;
  const workloads = usePages(["image workloads", digest], (cursor) => load(client.GET("/api/v1/images/{digest}/workloads", { params: { path: { digest }, query: { cursor, limit: LENGTH } } })));
  return (
    <div className="kk-stack">
      <Card title="About it">
        <Facts
          facts={[
            ["Problems", image.problems ? <SeverityCounts key="problems" counts={image.problems} /> : <span key="problems" className="kk-soft">not assessed: no scan and no advisory database has compared its packages</span>],
            ["Why it matters", image.exposure ? <Reasons key="reasons" exposure={image.exposure} /> : ""],
            ["Names", image.references.length > 0 && <ul key="names">{image.references.map((name) => <li key={name}><Name text={name} /></li>)}</ul>],
            ["Digest", <span key="digest"><code>{digest}</code> <Copy text={digest} /></span>],
            ["Platform", image.platform],
            ["Operating system", image.distribution && <a key="distribution" href={`/images?distribution=${encodeURIComponent(image.distribution)}`}>{image.distribution}</a>],
            ["First seen", <Time key="opened" value={image.opened} />],
            ["Covered", image.decisions.length > 0 && <Covered key="covered" image={image} />],
            ["Software", image.layers.length > 0 && <SoftwareDocuments key="software" path={`images/${digest}`} />],
          ]}
        />
      </Card>
      <Card title="Workloads that run it">
        <WorkloadList pages={workloads} empty={<p>No workload of the submitted sources runs it.</p>} />
      </Card>
      {image.changes.length > 0 && <Changes image={image} />}
      {image.problems && (
        <Card title="Problems">
          <Problems digest={digest} />
        </Card>
      )}
      {image.layers.length > 0 && <Contained image={image} />}
      {image.others.length > 0 && (
        <Card title="Other images of the repository">
          <Table caption="Other images of the repository" rows={image.others} columns={linkFirst()} rowKey={(row) => row.digest} />
        </Card>
      )}
    </div>
  );
}

/** The upgrades, those of the operating system apart: a newer base image brings them all. */
function Changes({ image }: { image: Image }) {
  const system = image.changes.filter((change) => change.isSystem);
  const own = image.changes.filter((change) => !change.isSystem);
  return (
    <Card title="What to change">
      <div className="kk-stack">
        {system.length > 0 && <ChangeGroup title={`In the base image: packages of ${image.distribution || "the operating system"}`} changes={system} />}
        {own.length > 0 && <ChangeGroup title="In the application" changes={own} />}
      </div>
    </Card>
  );
}

function ChangeGroup({ title, changes }: { title: string; changes: Change[] }) {
  const columns = (rows: Change[]) => <Table caption={title} rows={rows} columns={CHANGE_COLUMNS} rowKey={(row) => `${row.type} ${row.name}`} />;
  const rest = changes.slice(SHOWN_CHANGES);
  return (
    <section>
      <h3 className="pf-v6-c-title pf-m-md">{title}</h3>
      {columns(changes.slice(0, SHOWN_CHANGES))}
      {rest.length > 0 && (
        <details>
          <summary>{plural(rest.length, "more upgrade")}</summary>
          {columns(rest)}
        </details>
      )}
    </section>
  );
}

function Covered({ image }: { image: Image }) {
  return (
    <ul className="kk-plain-list">
      {image.decisions.map((each) => (
        <li key={each.decision}>
          <a href={`/decisions?open=${each.decision}`}>{plural(each.problems, "problem")} by decision {each.decision}</a>
        </li>
      ))}
    </ul>
  );
}

/** Layers and packages. */
function Contained({ image }: { image: Image }) {
  const url = useUrl();
  const text = url.get("package");
  const { digest } = image;
  const packages = usePages(["image packages", digest, text], (cursor) => load(client.GET("/api/v1/images/{digest}/packages", { params: { path: { digest }, query: { text, cursor, limit: LENGTH } } })));
  return (
    <>
      <Card title="Layers with packages">
        <Table caption="Layers" rows={image.layers} columns={LAYER_COLUMNS} rowKey={(row) => row.digest} />
      </Card>
      <Card title={packages.data ? describeRows(packages, "package") : "Packages"}>
        <Filters url={url} filters={FILTERS} />
        <List
          caption="Packages"
          pages={packages}
          columns={PACKAGE_COLUMNS}
          rowKey={(row) => row.purl}
          href={(row) => `/packages/${row.type}/${encodeURIComponent(row.name)}`}
          csv={exportHref("image-packages", { of: digest, text })}
          empty={<p>No package has this name.</p>}
        />
      </Card>
    </>
  );
}

/** Return the columns of images with a link in the first one, which a list without one needs. */
function linkFirst(): typeof IMAGE_COLUMNS {
  const [first, ...rest] = IMAGE_COLUMNS;
  return first ? [{ ...first, cell: (row) => <a href={`/images/${row.digest}`}>{first.cell(row)}</a> }, ...rest] : [];
}
