/** States of a page without rows: loading, empty, refused. Each names the next step. */
import { useEffect, useState, type ReactNode } from "react";
import { ApiError } from "../api/client";

const PATIENCE = 300;

/** The layout of what is loading, after 300 ms. */
export function Loading({ lines = 8 }: { lines?: number }) {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), PATIENCE);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div role="status" aria-busy="true" className="kk-loading">
      <span className="pf-v6-screen-reader">Loading</span>
      {isLate && Array.from({ length: lines }, (_, line) => <div key={line} className="pf-v6-c-skeleton" />)}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="pf-v6-c-empty-state kk-empty">
      <div className="pf-v6-c-empty-state__content">
        <h2 className="pf-v6-c-empty-state__title-text">{title}</h2>
        <div className="pf-v6-c-empty-state__body">{children}</div>
      </div>
    </div>
  );
}

export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  const requestId = error instanceof ApiError ? error.requestId : "";
  const isRefused = error instanceof ApiError && error.status === 403;
  return (
    <div className={`pf-v6-c-alert pf-m-inline ${isRefused ? "pf-m-warning" : "pf-m-danger"}`} role="alert">
      <h2 className="pf-v6-c-alert__title">{isRefused ? "Your role does not include this" : "This could not be loaded"}</h2>
      <div className="pf-v6-c-alert__description">
        <p>{error.message}</p>
        {isRefused && <p>An administrator can change your role under Settings, Users.</p>}
        {requestId && (
          <p className="kk-soft">
            Request <code>{requestId}</code>, for the log of the server
          </p>
        )}
      </div>
      {retry && !isRefused && (
        <div className="pf-v6-c-alert__action-group">
          <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={retry}>
            Try again
          </button>
        </div>
      )}
    </div>
  );
}

interface Query<T> {
  data: T | undefined;
  error: Error | null;
  refetch: () => unknown;
}

/** The result of a query, or its state. */
export function Await<T>({ query, children, lines }: { query: Query<T>; children: (data: T) => ReactNode; lines?: number }) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
  return <Loading lines={lines} />;
}
