/** Users: who may see what, invitations, and disabled accounts. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, load, type Schemas } from "../../api/client";
import { Dialog } from "../../components/dialog";
import { ChangeButton, Field, Form } from "../../components/form";
import { Card } from "../../components/page";
import { Await } from "../../components/states";
import { Table } from "../../components/table";
import { Command } from "../../components/text";
import { Time } from "../../components/time";
import { GrantFields, Grants, readGrant, ROLES } from "./grants";

type User = Schemas["UserDocument"];

const STALE = [["users"]];

export function Users() {
  const users = useQuery({ queryKey: ["users"], queryFn: () => load(client.GET("/api/v1/users")) });
  const [isAdding, setAdding] = useState(false);
  const [edited, setEdited] = useState<User | null>(null);
  const [link, setLink] = useState<{ name: string; link: string } | null>(null);
  const invite = async (user: { id: number; name: string }) => {
    const created = await load(client.POST("/api/v1/users/{number}/link", { params: { path: { number: user.id } } }));
    setLink({ name: user.name, link: `${location.origin}/sign-in#${created.link}` });
  };
  const add = async (values: FormData) => {
    const user = await load(client.POST("/api/v1/users", { body: { name: String(values.get("name")), grants: [readGrant(values)] } }));
    await invite(user);
  };
  return (
    <Card title="Users">
      <p>
        <button type="button" className="pf-v6-c-button pf-m-primary" onClick={() => setAdding(true)}>
          Add a user
        </button>
      </p>
      <Await query={users}>
        {(rows) => (
          <Table
            caption="Users"
            rows={rows}
            rowKey={(row) => row.id}
            columns={[
              { title: "Name", cell: (row) => <>{row.name} {!row.isEnabled && <span className="kk-soft">disabled</span>}</> },
              { title: "Signs in", cell: (row) => <Method user={row} isShared={rows.some((each) => each.id !== row.id && each.name === row.name)} /> },
              { title: "Rights", cell: (row) => <Grants grants={row.grants} /> },
              { title: "Last sign-in", cell: (row) => <Time value={row.signedIn} /> },
              { title: "Changes", cell: (row) => <Changes user={row} invite={() => invite(row)} edit={() => setEdited(row)} /> },
            ]}
          />
        )}
      </Await>
      {isAdding && (
        <Dialog title="Add a user" onClose={() => setAdding(false)}>
          <Form action="Add and create a sign-in link" change={add} stale={STALE} onDone={() => setAdding(false)}>
            <Field label="Name" name="name" required autoFocus maxLength={200} />
            <GrantFields roles={Object.keys(ROLES) as Schemas["Role"][]} role="viewer" />
          </Form>
        </Dialog>
      )}
      {edited && (
        <Dialog title={`Rights of ${edited.name}`} onClose={() => setEdited(null)}>
          <p>The right replaces all that the user has now.</p>
          <Form
            action="Save"
            stale={STALE}
            onDone={() => setEdited(null)}
            change={(values) => load(client.PATCH("/api/v1/users/{number}", { params: { path: { number: edited.id } }, body: { grants: [readGrant(values)] } }))}
          >
            <GrantFields roles={Object.keys(ROLES) as Schemas["Role"][]} role={edited.grants[0]?.role ?? "viewer"} />
          </Form>
        </Dialog>
      )}
      {link && (
        <Dialog title={`Sign-in link of ${link.name}`} onClose={() => setLink(null)}>
          <p>Send it to the user. It works once, within 15 minutes, and is not shown again.</p>
          <Command text={link.link} />
        </Dialog>
      )}
    </Card>
  );
}

/** The way in which a user signs in. isShared: another user has the same name, so that only the subject tells both apart. */
function Method({ user, isShared }: { user: User; isShared: boolean }) {
  if (!user.issuer) return <>with a password</>;
  return (
    <span title={`${user.issuer}, subject ${user.subject}`}>
      with {user.issuer.replace(/^https?:\/\//, "")}
      {isShared && (
        <>
          {" "}
          as <code>{user.subject}</code>
        </>
      )}
    </span>
  );
}

function Changes({ user, invite, edit }: { user: User; invite: () => Promise<void>; edit: () => void }) {
  const enable = (isEnabled: boolean) => () => load(client.PATCH("/api/v1/users/{number}", { params: { path: { number: user.id } }, body: { isEnabled } }));
  return (
    <span className="kk-buttons">
      <button type="button" className="pf-v6-c-button pf-m-secondary pf-m-small" onClick={edit}>
        Rights
      </button>
      <ChangeButton label="Sign-in link" question={`Create a link for ${user.name}? It replaces the password when it is used.`} change={invite} stale={STALE} />
      {user.isEnabled ? (
        <ChangeButton label="Disable" isDanger question={`Disable ${user.name}? All sessions and tokens of the user end.`} change={enable(false)} stale={STALE} />
      ) : (
        <ChangeButton label="Enable" change={enable(true)} stale={STALE} />
      )}
    </span>
  );
}
