/** Destinations of notifications: where messages go. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, load, type Schemas } from "../../api/client";
import { Dialog } from "../../components/dialog";
import { ChangeButton, Choose, Field, Form, splitValues } from "../../components/form";
import { Card } from "../../components/page";
import { Await } from "../../components/states";
import { Table } from "../../components/table";
import { Time } from "../../components/time";

type Destination = Schemas["DestinationRow"];

/** A setting or a secret of a kind. name: of the API. */
interface Setting {
  name: string;
  label: string;
  isSecret?: boolean;
  isOptional?: boolean;
  /** Several values, separated by commas. */
  isList?: boolean;
  isNumber?: boolean;
  choices?: string[];
  placeholder?: string;
}

const URL_SECRET: Setting = { name: "url", label: "Address of the webhook", isSecret: true, placeholder: "https://" };
const KINDS: Record<string, { label: string; settings: Setting[] }> = {
  slack: { label: "Slack", settings: [URL_SECRET] },
  teams: { label: "Microsoft Teams", settings: [URL_SECRET] },
  mail: {
    label: "Mail",
    settings: [
      { name: "host", label: "SMTP server" },
      { name: "port", label: "Port", isNumber: true, isOptional: true, placeholder: "587" },
      { name: "encryption", label: "Encryption", choices: ["starttls", "tls", "none"] },
      { name: "sender", label: "Sender", placeholder: "kubekeep@example.com" },
      { name: "recipients", label: "Recipients", isList: true, placeholder: "team@example.com, lead@example.com" },
      { name: "user", label: "User", isOptional: true },
      { name: "password", label: "Password", isSecret: true, isOptional: true },
    ],
  },
  jira: {
    label: "Jira",
    settings: [
      { name: "url", label: "Address", placeholder: "https://example.atlassian.net" },
      { name: "project", label: "Key of the project" },
      { name: "user", label: "User", isOptional: true },
      { name: "issueType", label: "Type of issues", isOptional: true },
      { name: "transition", label: "Transition that closes an issue", isOptional: true },
      { name: "token", label: "Token", isSecret: true },
    ],
  },
  pagerduty: {
    label: "PagerDuty",
    settings: [
      { name: "routingKey", label: "Routing key", isSecret: true },
      { name: "url", label: "Address of another region", isOptional: true },
    ],
  },
  alertmanager: {
    label: "Alertmanager",
    settings: [
      { name: "url", label: "Address", placeholder: "https://alertmanager.example.com" },
      { name: "labels", label: "Labels", isList: true, isOptional: true, placeholder: "team=security" },
      { name: "token", label: "Token", isSecret: true, isOptional: true },
    ],
  },
  webhook: {
    label: "Signed webhook",
    settings: [
      { name: "url", label: "Address", placeholder: "https://" },
      { name: "secret", label: "Secret of the signature", isSecret: true },
    ],
  },
  syslog: {
    label: "Syslog",
    settings: [
      { name: "host", label: "Host" },
      { name: "port", label: "Port", isNumber: true, isOptional: true },
      { name: "protocol", label: "Protocol", choices: ["udp", "tcp", "tls"] },
      { name: "format", label: "Format", choices: ["plain", "cef"] },
    ],
  },
};
const STALE = [["destinations"], ["deliveries"]];

export function useDestinations() {
  return useQuery({ queryKey: ["destinations"], queryFn: () => load(client.GET("/api/v1/notifications/destinations")) });
}

export function Destinations({ mayChange }: { mayChange: boolean }) {
  const destinations = useDestinations();
  const [isAdding, setAdding] = useState(false);
  return (
    <Card title="Destinations">
      {mayChange && (
        <p>
          <button type="button" className="pf-v6-c-button pf-m-primary" onClick={() => setAdding(true)}>
            Add a destination
          </button>
        </p>
      )}
      <Await query={destinations} lines={2}>
        {({ rows }) =>
          rows.length ? (
            <Table
              caption="Destinations"
              rows={[...rows]}
              rowKey={(row) => row.id}
              columns={[
                { title: "Name", cell: (row) => row.name },
                { title: "Kind", cell: (row) => KINDS[row.kind]?.label ?? row.kind },
                { title: "Settings", cell: (row) => <Values values={row.settings} /> },
                { title: "By", cell: (row) => <span>{row.author}, <Time value={row.created} /></span> },
                { title: "Changes", cell: (row) => mayChange && <Changes destination={row} /> },
              ]}
            />
          ) : (
            <p>There is none. Add a channel, a mailbox or a ticket system, and send a test message to it.</p>
          )
        }
      </Await>
      {isAdding && <AddDestination onClose={() => setAdding(false)} />}
    </Card>
  );
}

function Values({ values }: { values: Record<string, unknown> }) {
  const entries = Object.entries(values);
  if (!entries.length) return <span className="kk-soft">only a secret</span>;
  return <>{entries.map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(", ") : String(value)}`).join("; ")}</>;
}

function Changes({ destination }: { destination: Destination }) {
  const path = { number: destination.id };
  return (
    <span className="kk-buttons">
      <ChangeButton label="Send a test" change={() => load(client.POST("/api/v1/notifications/destinations/{number}/test", { params: { path } }))} stale={STALE} />
      <ChangeButton label="Delete" isDanger question={`Delete ${destination.name}? Its messages are removed.`} change={() => load(client.DELETE("/api/v1/notifications/destinations/{number}", { params: { path } }))} stale={STALE} />
    </span>
  );
}

function AddDestination({ onClose }: { onClose: () => void }) {
  const [kind, setKind] = useState("slack");
  const settings = KINDS[kind]?.settings ?? [];
  const create = (values: FormData) => {
    const read = (isSecret: boolean) => Object.fromEntries(settings.filter((each) => Boolean(each.isSecret) === isSecret && values.get(each.name)).map((each) => [each.name, readValue(each, String(values.get(each.name)).trim())]));
    return load(
      client.POST("/api/v1/notifications/destinations", {
        body: { name: String(values.get("destination")), kind, settings: read(false), secrets: read(true) as Record<string, string> },
      }),
    );
  };
  return (
    <Dialog title="Add a destination" onClose={onClose}>
      <Form action="Add" change={create} stale={STALE} onDone={onClose}>
        <Field label="Name" name="destination" required maxLength={200} placeholder="security channel" />
        <Choose label="Kind" value={kind} onChange={(event) => setKind(event.target.value)}>
          {Object.entries(KINDS).map(([name, { label }]) => (
            <option key={name} value={name}>
              {label}
            </option>
          ))}
        </Choose>
        {settings.map((each) => (
          <SettingField key={`${kind} ${each.name}`} setting={each} />
        ))}
      </Form>
    </Dialog>
  );
}

function SettingField({ setting }: { setting: Setting }) {
  const { name, label, choices, isSecret, isOptional, isNumber, isList, placeholder } = setting;
  if (choices)
    return (
      <Choose label={label} name={name}>
        {choices.map((choice) => (
          <option key={choice}>{choice}</option>
        ))}
      </Choose>
    );
  return <Field label={label} name={name} type={isSecret ? "password" : isNumber ? "number" : "text"} autoComplete="off" required={!isOptional} placeholder={placeholder} help={isSecret ? "Stored encrypted, and not shown again" : isList ? "Separated by commas" : undefined} />;
}

function readValue(setting: Setting, text: string): string | number | string[] {
  if (setting.isNumber) return Number(text);
  return setting.isList ? splitValues(text) : text;
}
