/** API tokens: of pipelines, agents and connected programs. */
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
import type { Identity } from "../../identity";
import { GrantFields, Grants, readGrant, ROLES } from "./grants";

const STALE = [["tokens"]];
const MANAGED: Schemas["Role"][] = ["agent", "viewer", "manager"];

export function Tokens({ identity }: { identity: Identity }) {
  const tokens = useQuery({ queryKey: ["tokens"], queryFn: () => load(client.GET("/api/v1/tokens")) });
  const [isAdding, setAdding] = useState(false);
  const [secret, setSecret] = useState("");
  const roles = identity.role === "administrator" ? (Object.keys(ROLES) as Schemas["Role"][]) : MANAGED;
  return (
    <Card title="Tokens">
      <p>
        <button type="button" className="pf-v6-c-button pf-m-primary" onClick={() => setAdding(true)}>
          Create a token
        </button>
      </p>
      <Await query={tokens}>
        {(rows) =>
          rows.length ? (
            <Table
              caption="Tokens"
              rows={rows}
              rowKey={(row) => row.id}
              columns={[
                { title: "Name", cell: (row) => row.name },
                { title: "Rights", cell: (row) => <Grants grants={row.grants} /> },
                { title: "Expires", cell: (row) => <Time value={row.expires} /> },
                {
                  title: "Changes",
                  cell: (row) => (
                    <ChangeButton
                      label="Revoke"
                      isDanger
                      question={`Revoke ${row.name}? Programs with it are refused at once.`}
                      change={() => load(client.DELETE("/api/v1/tokens/{number}", { params: { path: { number: row.id } } }))}
                      stale={STALE}
                    />
                  ),
                },
              ]}
            />
          ) : (
            <p>There is no token. Pipelines and agents need one to submit.</p>
          )
        }
      </Await>
      {isAdding && (
        <Dialog title="Create a token" onClose={() => setAdding(false)}>
          <Form
            action="Create"
            stale={STALE}
            onDone={(created: Schemas["CreatedToken"]) => {
              setAdding(false);
              setSecret(created.token);
            }}
            change={(values) => load(client.POST("/api/v1/tokens", { body: { name: String(values.get("name")), grants: [readGrant(values)], expiresInDays: Number(values.get("days")) } }))}
          >
            <Field label="Name" name="name" required autoFocus maxLength={200} placeholder="pipeline of shop/web" />
            <GrantFields roles={roles} role="agent" />
            <Field label="Days until it expires" name="days" type="number" min={1} max={3650} defaultValue={90} required />
          </Form>
        </Dialog>
      )}
      {secret && (
        <Dialog title="The token" onClose={() => setSecret("")}>
          <p>Store it as a secret now. It is not shown again.</p>
          <Command text={secret} />
        </Dialog>
      )}
    </Card>
  );
}
