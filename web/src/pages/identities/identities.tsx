/** Users, groups and service accounts of a cluster, with their dangerous permissions. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { FilteredToNothing, isFiltered, type Filter } from "../../components/filters";
import { List, usePages, type Column } from "../../components/list";
import { format, plural, Severity } from "../../components/severity";
import { Await, Empty } from "../../components/states";
import { useUrl } from "../../url";
import { ClusterPage, NotSubmitted, useCluster } from "./cluster";
import { IdentityPanel } from "./panel";
import { describeDangers, EVERYTHING, keyOf, KINDS, listMain, SubjectName, Unknown, type Kind } from "./words";

type Row = Schemas["IdentityRow"];
type IdentityPage = Schemas["IdentityPage"];

const LENGTH = 100;
const SHOWN = 3;
const FILTERS: Filter[] = [
  { name: "text", label: "Name" },
  { name: "kind", label: "Kind", choices: Object.entries(KINDS).map(([value, label]) => ({ value, label })) },
  { name: "namespace", label: "Namespace of service accounts", isRare: true },
  { name: "defaults", label: "Bound by Kubernetes only", isRare: true, choices: [{ value: "true", label: "shown" }] },
];
const COLUMNS: Column<Row>[] = [
  { title: "Subject", kind: "main", cell: (row) => <SubjectName subject={row} /> },
  { title: "Can", cell: (row) => <Dangers row={row} /> },
  { title: "Level", cell: (row) => <Severity level={row.severity} /> },
  { title: "Bindings", kind: "number", cell: (row) => format(row.bindings) },
];

export default function Identities() {
  const cluster = useCluster();
  const source = cluster.id ?? 0;
  const overview = useQuery({
    queryKey: ["identities", source, "overview"],
    queryFn: () => load(client.GET("/api/v1/identities", { params: { query: { source, limit: 1 } } })),
    enabled: source > 0,
  });
  const choices = (overview.data?.counts ?? []).map(({ id, text }) => ({ value: id, label: text }));
  const filters = [...FILTERS, { name: "danger", label: "Can", choices }];
  return (
    <ClusterPage title="Identities" tab="/identities" cluster={cluster} filters={filters} summary={overview.data && <Summary page={overview.data} source={source} name={cluster.name} />}>
      <Await query={overview}>
        {(page) =>
          page.changed ? (
            <>
              <Unknown unknown={page.unknown} isPartial={page.isPartial} />
              <Subjects key={source} source={source} filters={filters} isComplete={!page.unknown?.length && !page.isPartial} />
            </>
          ) : (
            <NotSubmitted name={cluster.name} />
          )
        }
      </Await>
    </ClusterPage>
  );
}

/** The answer in a sentence, with links to the subjects of each number. */
function Summary({ page, source, name }: { page: IdentityPage; source: number; name: string }) {
  const url = useUrl();
  const { total = 0, counts = [] } = page;
  if (!page.changed) return <>No scan has sent the roles and bindings of {name}.</>;
  const link = (id: string, text: string) => <a href={`/identities${url.with({ cluster: String(source), danger: id, text: "", kind: "", namespace: "", defaults: "", open: "" })}`}>{text}</a>;
  const everything = counts.find((count) => count.id === EVERYTHING);
  const secrets = counts.find((count) => count.id === "read-secrets");
  const subjects = plural(total, "subject");
  const some = secrets?.inNamespaces ? `, and ${format(secrets.inNamespaces)} more in some` : "";
  if (!secrets) return <>{counts.length ? `None of ${subjects} in ${name} can read Secrets.` : `${subjects} in ${name}, none with a dangerous permission that the scan has seen.`}</>;
  return (
    <>
      {link(secrets.id, `${format(secrets.inCluster)} of ${subjects}`)} in {name} can read Secrets in all namespaces{some}.{" "}
      {everything && everything.inCluster > 0 && <>{link(everything.id, format(everything.inCluster))} can do everything.</>}
    </>
  );
}

function Subjects({ source, filters, isComplete }: { source: number; filters: Filter[]; isComplete: boolean }) {
  const url = useUrl();
  const selection = {
    text: url.get("text"),
    kind: url.get("kind") as Kind | "",
    namespace: url.get("namespace"),
    danger: url.get("danger"),
    defaults: url.get("defaults") === "true",
  };
  const pages = usePages<Row>(["identities", source, selection], async (cursor) => {
    const page = await load(client.GET("/api/v1/identities", { params: { query: { source, ...selection, cursor, limit: LENGTH } } }));
    return { rows: page.rows ?? [], cursor: page.cursor };
  });
  const open = url.get("open");
  return (
    <div className="kk-split">
      <div className="kk-split-main">
        <List
          caption="Subjects"
          pages={pages}
          columns={COLUMNS}
          rowKey={keyOf}
          href={(row) => `/identities${url.with({ cluster: String(source), open: keyOf(row) })}`}
          openKey={open}
          empty={isFiltered(url, filters) ? <FilteredToNothing url={url} filters={filters} /> : <Nothing isComplete={isComplete} />}
        />
      </div>
      {open && <IdentityPanel key={open} source={source} subject={open} onClose={() => url.set({ open: "" })} />}
    </div>
  );
}

function Nothing({ isComplete }: { isComplete: boolean }) {
  return (
    <Empty title={isComplete ? "Only Kubernetes itself has bound subjects" : "No binding could be seen"}>
      <p>{isComplete ? "More filters shows the subjects that the API server has bound." : "This does not mean that nobody has permissions."}</p>
    </Empty>
  );
}

/** The dangerous permissions of a subject, the gravest first. */
function Dangers({ row }: { row: Row }) {
  const dangers = listMain(row.dangers);
  const more = dangers.length - SHOWN;
  return (
    <>
      {describeDangers(dangers.slice(0, SHOWN)) || <span className="kk-soft">nothing dangerous in the roles that were read</span>}
      {more > 0 && <span className="kk-soft"> · {more} more</span>}
      {row.isUnknown && <span className="kk-notice">the rules of a role are not known</span>}
    </>
  );
}
