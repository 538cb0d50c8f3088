/** Client of the server's API, with the types of its OpenAPI document. Sends the token of the session with each change. */
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** A request that the server refused or that did not reach it. status: 0 without an answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly requestId = "",
  ) {
    super(message);
  }
}

interface Problem {
  title?: string;
  detail?: string;
  requestId?: string;
  errors?: { location: string[]; message: string }[];
}

let csrfToken = "";

/** Remember the token of the session, a header of each change. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

const session: Middleware = {
  onRequest({ request }) {
    if (request.method !== "GET" && csrfToken) request.headers.set("X-Csrf-Token", csrfToken);
    return request;
  },
};

export const client = createClient<paths>({ baseUrl: "/", querySerializer: { array: { style: "form", explode: true } } });
client.use(session);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** Return the document of an answer. Throws ApiError. */
export async function load<T>(answer: Promise<Answer<T>>): Promise<T> {
  let result: Answer<T>;
  try {
    result = await answer;
  } catch {
    throw new ApiError(0, "The server does not answer. Check the connection, then try again.");
  }
  if (result.response.ok) return result.data as T;
  const problem = (result.error ?? {}) as Problem;
  const errors = (problem.errors ?? []).map((each) => `${each.location.at(-1) ?? ""}: ${each.message}`);
  const message = [problem.detail ?? problem.title ?? `The server answered ${result.response.status}.`, ...errors].join(" ");
  throw new ApiError(result.response.status, message, problem.requestId);
}
