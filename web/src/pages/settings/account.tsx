/** The account of the user: rights and password. */
import { useState } from "react";
import { client, load, setCsrfToken } from "../../api/client";
import { Field, Form, NewPasswordField } from "../../components/form";
import { Card, Facts } from "../../components/page";
import { Time } from "../../components/time";
import type { Identity } from "../../identity";
import { Grants } from "./grants";

export function Account({ identity }: { identity: Identity }) {
  const [isSaved, setSaved] = useState(false);
  return (
    <div className="kk-stack">
      <Card title={identity.name}>
        <Facts
          facts={[
            ["Rights", <Grants key="grants" grants={identity.grants} />],
            ["Session ends", <Time key="expires" value={identity.expires} />],
          ]}
        />
      </Card>
      <Card title="Password">
        <p>All other sessions of yours end when the password changes.</p>
        <Form
          action="Change the password"
          change={(values) => load(client.PUT("/api/v1/password", { body: { current: String(values.get("current")), password: String(values.get("password")) } }))}
          onDone={(changed) => {
            setCsrfToken(changed.csrfToken ?? "");
            setSaved(true);
          }}
        >
          <Field label="Current password" name="current" type="password" autoComplete="current-password" help="Empty if you have none" />
          <NewPasswordField />
        </Form>
        {isSaved && <p role="status">The password was changed.</p>}
      </Card>
    </div>
  );
}
