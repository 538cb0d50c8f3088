/** Subjects that may make a request to the API server of a cluster. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { Field, Form } from "../../components/form";
import { List, usePages, type Column } from "../../components/list";
import { plural } from "../../components/severity";
import { Await, Empty } from "../../components/states";
import { useUrl } from "../../url";
import { ClusterPage, NotSubmitted, useCluster } from "./cluster";
import { Grant, keyOf, SubjectName, Unknown } from "./words";

type Row = Schemas["PermittedRow"];
type Permitted = Schemas["PermittedPage"];
interface Access {
  verb: string;
  resource: string;
  namespace: string;
}

const LENGTH = 100;
const LONGEST = 1024;
const VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate", "bind", "escalate"];
const EXAMPLES: [string, Access][] = [
  ["read Secrets in all namespaces", { verb: "list", resource: "secrets", namespace: "" }],
  ["run commands in containers", { verb: "create", resource: "pods/exec", namespace: "" }],
  ["change Deployments", { verb: "patch", resource: "deployments.apps", namespace: "" }],
  ["act as other users", { verb: "impersonate", resource: "users", namespace: "" }],
];
const COLUMNS: Column<Row>[] = [
  { title: "Subject", kind: "main", cell: (row) => <SubjectName subject={row} /> },
  {
    title: "Granted",
    cell: (row) => (
      <>
        <Grant binding={row.binding} />
        {row.isUnknown && <span className="kk-notice">perhaps: the rules of the role are not known</span>}
      </>
    ),
  },
];

export default function WhoCan() {
  const url = useUrl();
  const cluster = useCluster();
  const source = cluster.id ?? 0;
  const access = { verb: url.get("verb"), resource: url.get("resource"), namespace: url.get("namespace") };
  const isComplete = Boolean(access.verb && access.resource);
  const first = useQuery({
    queryKey: ["permitted", source, access, "overview"],
    queryFn: () => load(client.GET("/api/v1/identities/permitted", { params: { query: { source, ...parseAccess(access), limit: 1 } } })),
    enabled: source > 0 && isComplete,
  });
  return (
    <ClusterPage title="Who can" tab="/identities/who-can" cluster={cluster} filters={[]} summary={isComplete ? first.data && summarize(first.data, access, cluster.name) : "Users, groups and service accounts that may make a request."}>
      <AccessForm key={JSON.stringify(access)} access={access} />
      {isComplete ? (
        <Await query={first}>
          {(page) =>
            page.changed ? (
              <>
                <Unknown unknown={page.unknown} isPartial={page.isPartial} />
                <Result key={JSON.stringify([source, access])} source={source} access={access} />
              </>
            ) : (
              <NotSubmitted name={cluster.name} />
            )
          }
        </Await>
      ) : (
        <Examples />
      )}
    </ClusterPage>
  );
}

/** Return the parameters of a request: a resource with its API group and subresource as for `kubectl`, or a path. */
export function parseAccess({ verb, resource, namespace }: Access) {
  if (resource.startsWith("/")) return { verb, path: resource };
  const [full = "", ...sub] = resource.split("/");
  const [name, ...group] = full.split(".");
  return { verb, resource: [name, ...sub].join("/"), group: group.join("."), namespace };
}

function summarize(page: Permitted, { verb, resource, namespace }: Access, name: string): string {
  const request = `${verb} ${resource}${resource.startsWith("/") ? "" : namespace ? ` in namespace ${namespace}` : " in all namespaces"} of ${name}`;
  if (!page.changed) return `No scan has sent the roles and bindings of ${name}.`;
  if (!page.subjects) return `No binding that was seen lets a subject ${request}.`;
  const most = page.unknown?.length ? "Up to " : "";
  return `${most}${plural(page.subjects, "subject")} can ${request}, through ${plural(page.bindings ?? 0, "binding")}. A group stands for its members.`;
}

function AccessForm({ access }: { access: Access }) {
  const url = useUrl();
  const search = async (values: FormData) => {
    const text = (name: string) => String(values.get(name) ?? "").trim();
    url.set({ verb: text("verb"), resource: text("resource"), namespace: text("namespace") }, true);
  };
  return (
    <div className="kk-access">
      <Form action="Search" change={search}>
        <div className="kk-filter-row">
          <Field label="Verb" name="verb" list="verbs" required maxLength={LONGEST} defaultValue={access.verb} placeholder="get" />
          <Field label="Resource or path" name="resource" required maxLength={LONGEST} defaultValue={access.resource} placeholder="secrets, pods/exec, deployments.apps" />
          <Field label="Namespace" name="namespace" maxLength={LONGEST} defaultValue={access.namespace} placeholder="all" />
        </div>
        <datalist id="verbs">
          {VERBS.map((verb) => (
            <option key={verb} value={verb} />
          ))}
        </datalist>
      </Form>
    </div>
  );
}

function Result({ source, access }: { source: number; access: Access }) {
  const url = useUrl();
  const pages = usePages<Row>(["permitted", source, access], async (cursor) => {
    const page = await load(client.GET("/api/v1/identities/permitted", { params: { query: { source, ...parseAccess(access), cursor, limit: LENGTH } } }));
    return { rows: page.rows ?? [], cursor: page.cursor };
  });
  const cluster = { cluster: String(source), source: url.list("source") };
  return (
    <List
      caption="Permitted subjects"
      pages={pages}
      columns={COLUMNS}
      rowKey={(row) => `${keyOf(row)} ${row.binding.namespace}/${row.binding.name}`}
      href={(row) => `/identities${url.with({ ...cluster, open: keyOf(row), verb: "", resource: "", namespace: "" })}`}
      empty={
        <Empty title="No subject in the bindings that were seen">
          <p>Names of resources are plural and in lower case, with their API group after a dot, such as <code>deployments.apps</code>.</p>
        </Empty>
      }
    />
  );
}

function Examples() {
  const url = useUrl();
  return (
    <Empty title="Search by verb and resource, or start with one of these">
      <ul>
        {EXAMPLES.map(([text, access]) => (
          <li key={text}>
            <a href={"/identities/who-can" + url.with({ ...access })}>Who can {text}?</a>
          </li>
        ))}
      </ul>
    </Empty>
  );
}
