/** Fields and buttons of forms, and the state of a change that they make. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { InputHTMLAttributes, ReactNode, SelectHTMLAttributes, TextareaHTMLAttributes } from "react";
import { Failure } from "./states";

export function Field({ label, help, ...input }: { label: string; help?: ReactNode } & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <label className="kk-field">
      <span>{label}</span>
      <span className="pf-v6-c-form-control">
        <input {...input} />
      </span>
      {help && <small>{help}</small>}
    </label>
  );
}

export function Choose({ label, children, help, ...select }: { label: string; help?: ReactNode } & SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <label className="kk-field">
      <span>{label}</span>
      <span className="pf-v6-c-form-control">
        <select {...select}>{children}</select>
      </span>
      {help && <small>{help}</small>}
    </label>
  );
}

export function Area({ label, ...area }: { label: string } & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return (
    <label className="kk-field">
      <span>{label}</span>
      <span className="pf-v6-c-form-control pf-m-resize-vertical">
        <textarea {...area} />
      </span>
    </label>
  );
}

/** Return the values of a field that has several, separated by commas. */
export function splitValues(text: FormDataEntryValue | null): string[] {
  return String(text ?? "").split(",").map((each) => each.trim()).filter(Boolean);
}

const SHORTEST_PASSWORD = 12;

/** The field of a new password, named `password`. */
export function NewPasswordField(input: InputHTMLAttributes<HTMLInputElement>) {
  return <Field label="New password" name="password" type="password" autoComplete="new-password" minLength={SHORTEST_PASSWORD} required help={`At least ${SHORTEST_PASSWORD} characters`} {...input} />;
}

interface ChangeProperties<T> {
  action: string;
  /** Makes the change; reads the form. */
  change: (values: FormData) => Promise<T>;
  /** Queries that the change makes stale. */
  stale?: unknown[][];
  onDone?: (result: T) => void;
  isDanger?: boolean;
  isDisabled?: boolean;
  children: ReactNode;
}

export function Form<T>({ action, change, stale = [], onDone, isDanger = false, isDisabled = false, children }: ChangeProperties<T>) {
  const queries = useQueryClient();
  const mutation = useMutation({
    mutationFn: change,
    onSuccess: async (result) => {
      await Promise.all(stale.map((queryKey) => queries.invalidateQueries({ queryKey })));
      onDone?.(result);
    },
  });
  return (
    <form
      className="kk-form"
      onSubmit={(event) => {
        event.preventDefault();
        mutation.mutate(new FormData(event.currentTarget));
      }}
    >
      {children}
      {mutation.error && <Failure error={mutation.error} />}
      <div>
        <button type="submit" className={`pf-v6-c-button ${isDanger ? "pf-m-danger" : "pf-m-primary"}`} disabled={isDisabled || mutation.isPending}>
          {action}
        </button>
      </div>
    </form>
  );
}

/** A button that makes a change at once, after a question if there is one. */
export function ChangeButton({ label, question, change, stale, isDanger = false }: { label: string; question?: string; change: () => Promise<unknown>; stale: unknown[][]; isDanger?: boolean }) {
  const queries = useQueryClient();
  const mutation = useMutation({
    mutationFn: change,
    onSettled: () => Promise.all(stale.map((queryKey) => queries.invalidateQueries({ queryKey }))),
  });
  return (
    <>
      <button
        type="button"
        className={`pf-v6-c-button pf-m-small pf-m-secondary ${isDanger ? "pf-m-danger" : ""}`}
        disabled={mutation.isPending}
        onClick={() => (!question || window.confirm(question)) && mutation.mutate()}
      >
        {label}
      </button>
      {mutation.error && <span role="alert">{mutation.error.message}</span>}
    </>
  );
}
