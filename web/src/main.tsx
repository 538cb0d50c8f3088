import "./styles/patternfly.css";
import "./styles/kubekeep.css";
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "./api/client";
import { App } from "./app";
import type { Session } from "./identity";
import { applyTheme } from "./shell/theme";

applyTheme();

const queries = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      if (!(error instanceof ApiError)) return;
      if (error.status === 401) queries.setQueryData<Session>(["identity"], (before) => before && "ended");
      // The rights may have changed since the identity was loaded.
      if (error.status === 403 && query.queryKey[0] !== "identity") void queries.invalidateQueries({ queryKey: ["identity"] });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      // Refused requests stay refused; a server that starts or is away is asked again.
      retry: (count, error) => count < 3 && error instanceof ApiError && (error.status === 0 || error.status === 503),
    },
  },
});

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <App />
      </QueryClientProvider>
    </StrictMode>,
  );
