// An issuer of tokens that is not ours: `jose` makes the keys, publishes them as a JWKS over HTTP, and signs.
//
//   node issuer.mjs --path PREFIX
//
// Prints `{url, keys: [{alg, token}], refused: {why: token}}`. Each line on standard input makes a set of new keys in place of the
// old ones and prints such a line again. It ends with its standard input.
import { createPublicKey } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { SignJWT, UnsecuredJWT, calculateJwkThumbprint, exportJWK, exportSPKI, generateKeyPair } from "jose";
import { parseArgs } from "./browser.mjs";

const args = parseArgs(process.argv.slice(2), { values: ["path"], flags: [] });
if (args.path === undefined) throw new Error("usage: node issuer.mjs --path PREFIX");

/** What keys say of themselves: with the names of RFC 9864 and of those before it, and one that leaves it to the kind of key. */
const ALGORITHMS = ["EdDSA", "Ed25519", "ES256", "RS256"];

let published = { keys: [] };
const claims = () => ({ paths: [args.path], sid: "evening", sub: "viewer-1", iss: "https://issuer.example", aud: "films" });
const signed = (alg, kid, key, change = (token) => token) =>
  change(new SignJWT(claims()).setProtectedHeader({ alg, kid, typ: "JWT" }).setIssuedAt().setExpirationTime("5m")).sign(key);

async function makeKey(alg, { named = true } = {}) {
  const pair = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(pair.publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { alg, kid, pair, jwk: { ...jwk, kid, use: "sig", key_ops: ["verify"], ...(named ? { alg } : {}) } };
}

async function issue() {
  const keys = await Promise.all([...ALGORITHMS.map((alg) => makeKey(alg)), makeKey("RS256", { named: false })]);
  const [stranger, pss, sealing] = await Promise.all([makeKey("EdDSA"), makeKey("PS256"), makeKey("RSA-OAEP")]);
  // Issuers publish more than a reader wants: keys for encryption, of kinds and algorithms that it does not know.
  const others = [pss.jwk, { ...sealing.jwk, use: "enc", key_ops: ["encrypt"] }, { kty: "AKP", alg: "ML-DSA-65", kid: "later", pub: "AAAA" }];
  published = { keys: [...others, ...keys.map(({ jwk }) => jwk)] };
  const es = keys.find(({ alg }) => alg === "ES256");
  const rs = keys.find(({ alg }) => alg === "RS256");
  const spki = new TextEncoder().encode(await exportSPKI(createPublicKey({ key: rs.jwk, format: "jwk" })));
  const refused = {
    "a stranger's signature": await signed("EdDSA", keys[0].kid, stranger.pair.privateKey),
    "a key that is not published": await signed("EdDSA", stranger.kid, stranger.pair.privateKey),
    "another kind of key than the id's": await signed("EdDSA", es.kid, keys[0].pair.privateKey),
    "the public key as a shared secret": await signed("HS256", rs.kid, spki),
    "an algorithm that is not for tokens": await signed("PS256", pss.kid, pss.pair.privateKey),
    "no signature": new UnsecuredJWT(claims()).setExpirationTime("5m").encode(),
    "an end that is over": await signed("ES256", es.kid, es.pair.privateKey, (token) => token.setExpirationTime("-5m")),
    "a beginning that is to come": await signed("ES256", es.kid, es.pair.privateKey, (token) => token.setNotBefore("5m")),
  };
  const tokens = await Promise.all(keys.map(async ({ alg, kid, pair }) => ({ alg, token: await signed(alg, kid, pair.privateKey) })));
  console.log(JSON.stringify({ url, keys: tokens, refused }));
}

const server = createServer((request, response) => {
  const found = request.url === "/.well-known/jwks.json";
  response.writeHead(found ? 200 : 404, { "content-type": "application/jwk-set+json", "cache-control": "public, max-age=300" });
  response.end(found ? JSON.stringify(published) : "");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${server.address().port}/.well-known/jwks.json`;
await issue();
for await (const _ of createInterface({ input: process.stdin })) await issue();
server.close();
server.closeAllConnections();
