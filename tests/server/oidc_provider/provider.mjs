// An OpenID provider with the accounts of its standard input (one JSON document), which prints its issuer. Each further line has
// accounts that replace those of their subjects; it is repeated when they count. Ends with its input.
import http from "node:http";
import { Provider } from "oidc-provider";

const lines = [];
let notify = () => {};
process.stdin.setEncoding("utf8");
let rest = "";
process.stdin.on("data", (text) => {
  const parts = (rest + text).split("\n");
  rest = parts.pop();
  lines.push(...parts);
  notify();
});
process.stdin.on("end", () => process.exit(0));
if (!lines.length) await new Promise((resolve) => (notify = resolve));

const { accounts, client, settings } = JSON.parse(lines.shift());
const server = http.createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  clients: [client],
  claims: { openid: ["sub"], profile: ["preferred_username"], email: ["email"], groups: ["groups"] },
  scopes: ["openid", "profile", "email", "groups"],
  cookies: { keys: ["key of the tests"] },
  // Shorter than any session: a session must not end with the token that began it.
  ttl: { AccessToken: 120, AuthorizationCode: 60, IdToken: 120, Interaction: 600, Session: 600, Grant: 600 },
  findAccount: (context, id) => (accounts[id] ? { accountId: id, claims: () => ({ sub: id, ...accounts[id] }) } : undefined),
  ...settings,
});
server.on("request", provider.callback());
console.log(issuer);
notify = () => {
  for (const line of lines.splice(0)) {
    Object.assign(accounts, JSON.parse(line));
    console.log(line);
  }
};
notify();
