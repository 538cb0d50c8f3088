import { expect, test } from "vitest";
import { ApiError, load } from "./client";

async function refuse(status: number, error?: unknown): Promise<ApiError> {
  const failure = await load(Promise.resolve({ error, response: new Response(null, { status }) })).catch((reason: unknown) => reason);
  expect(failure).toBeInstanceOf(ApiError);
  return failure as ApiError;
}

test("a document of an answer is returned, also an empty one", async () => {
  expect(await load(Promise.resolve({ data: [1], response: new Response() }))).toEqual([1]);
  expect(await load(Promise.resolve({ response: new Response(null, { status: 204 }) }))).toBeUndefined();
});

test("a refusal has its status, its reason and its request", async () => {
  const error = await refuse(403, { title: "Forbidden", detail: "Your role cannot decide.", requestId: "r1" });
  expect([error.status, error.message, error.requestId]).toEqual([403, "Your role cannot decide.", "r1"]);
  expect((await refuse(404, { title: "Not found" })).message).toBe("Not found");
});

test("a refusal names each wrong field by the end of its location", async () => {
  const errors = [
    { location: ["body", "name"], message: "is empty" },
    { location: [], message: "is too long" },
  ];
  expect((await refuse(422, { title: "Invalid.", errors })).message).toBe("Invalid. name: is empty : is too long");
});

test("a refusal without a document has a message", async () => {
  const error = await refuse(502);
  expect([error.status, error.message, error.requestId]).toEqual([502, "The server answered 502.", ""]);
});

test("an answer that does not arrive has no status", async () => {
  const error = await load(Promise.reject(new TypeError("network"))).catch((reason: unknown) => reason as ApiError);
  expect(error).toMatchObject({ status: 0, message: "The server does not answer. Check the connection, then try again." });
});
