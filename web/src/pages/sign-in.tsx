/** The page to sign in: with a one-time link in the fragment of its address, a password, or an OpenID provider. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { client, load, setCsrfToken } from "../api/client";
import { Field, Form, NewPasswordField } from "../components/form";
import { Failure } from "../components/states";
import type { Identity } from "../identity";

export default function SignIn({ isEnded }: { isEnded: boolean }) {
  const [link] = useState(() => location.hash.slice(1));
  const [name, setName] = useState("");
  if (name) return <NewPassword name={name} />;
  return link ? <WithLink link={link} onDone={setName} /> : <WithPassword isEnded={isEnded} />;
}

function Frame({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} - Kubekeep`;
  }, [title]);
  return (
    <main className="kk-alone">
      <p className="kk-brand">
        <img src="/icon.svg" alt="" width="32" height="32" /> <span>Kubekeep</span>
      </p>
      <section className="pf-v6-c-card">
        <div className="pf-v6-c-card__body">
          <h1 className="pf-v6-c-title pf-m-xl">{title}</h1>
          {children}
        </div>
      </section>
    </main>
  );
}

/** Remember the session, and go to the page that was requested. */
function useEnter(): (identity: Identity) => void {
  const queries = useQueryClient();
  const [path, navigate] = useLocation();
  return (identity) => {
    setCsrfToken(identity.csrfToken ?? "");
    queries.setQueryData(["identity"], identity);
    if (path === "/sign-in") navigate("/", { replace: true });
  };
}

function WithLink({ link, onDone }: { link: string; onDone: (name: string) => void }) {
  const redeem = useMutation({
    mutationFn: () => load(client.POST("/api/v1/session/link", { body: { link } })),
    onSuccess: (identity) => {
      setCsrfToken(identity.csrfToken ?? "");
      // The link is used: keep it out of the history of the browser.
      history.replaceState(null, "", "/sign-in");
      onDone(identity.name);
    },
  });
  return (
    <Frame title="Sign in">
      <p>This link signs you in once. You choose a password next.</p>
      {redeem.error && <Failure error={redeem.error} />}
      <button type="button" className="pf-v6-c-button pf-m-primary pf-m-block" disabled={redeem.isPending} onClick={() => redeem.mutate()}>
        Sign in
      </button>
      {redeem.error && (
        <p>
          <a href="/sign-in">Sign in with a password</a>
        </p>
      )}
    </Frame>
  );
}

function NewPassword({ name }: { name: string }) {
  const enter = useEnter();
  return (
    <Frame title="Choose a password">
      <Form action="Save the password" onDone={enter} change={(values) => load(client.PUT("/api/v1/password", { body: { current: "", password: String(values.get("password")) } }))}>
        <p>
          Your name to sign in later is <strong>{name}</strong>.
        </p>
        {/* For the password manager of the browser. */}
        <input type="text" name="name" value={name} autoComplete="username" readOnly hidden />
        <NewPasswordField autoFocus />
      </Form>
    </Frame>
  );
}

function WithPassword({ isEnded }: { isEnded: boolean }) {
  const enter = useEnter();
  const methods = useQuery({ queryKey: ["methods"], queryFn: () => load(client.GET("/api/v1/session/methods")) });
  return (
    <Frame title="Sign in">
      {isEnded && (
        <div className="pf-v6-c-alert pf-m-inline pf-m-info" role="status">
          <h2 className="pf-v6-c-alert__title">Your session has ended</h2>
          <div className="pf-v6-c-alert__description">
            <p>Sessions end an hour after their last use, or when an administrator ends them. Sign in again to continue.</p>
          </div>
        </div>
      )}
      {methods.data?.hasOidc && (
        <a className="pf-v6-c-button pf-m-primary pf-m-block" href="/api/v1/oidc/login">
          Sign in with single sign-on
        </a>
      )}
      <Form action="Sign in" onDone={enter} change={(values) => load(client.POST("/api/v1/session", { body: { name: String(values.get("name")), password: String(values.get("password")) } }))}>
        <Field label="Name" name="name" autoComplete="username" required autoFocus />
        <Field label="Password" name="password" type="password" autoComplete="current-password" required />
      </Form>
      <details>
        <summary>First sign-in, or a lost password</summary>
        <p>
          The server prints a link at its first start. Later, an administrator creates one under Settings, Users, or runs <code>kubekeep server user link NAME</code>.
        </p>
      </details>
    </Frame>
  );
}
