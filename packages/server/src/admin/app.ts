import { createHash, timingSafeEqual } from 'node:crypto';
import { AshlarError, AssertionError } from '@ashlar/core';
import { AddressRanges, isLoopback } from '@ashlar/volume';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type * as z from 'zod';
import { httpStatus } from './http-status.ts';
import { routes, type Route, type RouteContext } from './routes.ts';

type AdminOptions = {
  readonly version: string;
  readonly token: () => string;
  readonly context: () => RouteContext;
  /** Addresses that may use it besides loopback. */
  readonly allow: () => readonly string[];
  readonly openMetrics: () => boolean;
  /** Prometheus' text. */
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
  /** Why it is not ready, undefined when it is. */
  readonly unready: () => Promise<string | undefined>;
  /** Told what no AshlarError explains. */
  readonly onBug: (error: unknown) => void;
};

/** Bytes of a request's body: far more than any request needs. */
const longestBody = 64 * 1024;

/** Without a token: who is on the Unix socket has passed its mode already. */
const openPaths = new Set(['/health/live', '/health/ready', '/openapi.json']);

/** The routes check their requests by zod: fastify's own compilers of schemas are neither loaded nor used. */
const noCompiler = () => () => {
  throw new AssertionError('no route has a schema of fastify');
};

/**
 * The admin API as an application without a socket: the caller routes requests of its servers to it. What the options' functions
 * give is asked for at each request, so that the application can be made before there is a server.
 */
export async function createAdminApp(options: AdminOptions): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: longestBody,
    forceCloseConnections: true,
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
    // A path that is no URL comes here before it comes to a route.
    frameworkErrors: (error, _request, reply) => void fail(options, error, reply),
  });
  app.addHook('onRequest', (request, _reply, done) => {
    authorize(options, request);
    done();
  });
  app.setErrorHandler((error, _request, reply) => fail(options, error, reply));
  app.setNotFoundHandler(({ method, url }, reply) =>
    fail(options, new AshlarError('not-found', `there is no ${method} ${url}: see /openapi.json`), reply),
  );
  for (const route of routes) add(app, options.context, route);
  let document: Promise<object> | undefined;
  app.get('/openapi.json', () => (document ??= describeApi(options.version)));
  app.get('/metrics', async (_request, reply) => {
    const { type, text } = await options.metrics();
    return reply.type(type).send(text);
  });
  app.get('/health/live', () => ({ live: true }));
  app.get('/health/ready', async (_request, reply) => {
    const reason = await options.unready();
    return reason === undefined ? { ready: true } : reply.status(503).send({ ready: false, reason });
  });
  await app.ready();
  return app;
}

/** Few servers are ever asked for it: it is made for who asks first. */
async function describeApi(version: string): Promise<object> {
  const { openApiDocument } = await import('./openapi.ts');
  return openApiDocument(version);
}

function add(app: FastifyInstance, context: () => RouteContext, route: Route): void {
  app.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    handler: async (request, reply) => {
      const input = {
        params: parse(route.parts.params, request.params, 'path'),
        query: parse(route.parts.query, request.query, 'query'),
        body: parse(route.parts.body, request.body ?? {}, 'body'),
      };
      const result = await route.handle(context(), input);
      return reply.status(route.status).send(route.response === undefined ? undefined : result);
    },
  });
}

function parse(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const reasons = parsed.error.issues.map(
    ({ path, message }) => `${path.length === 0 ? where : path.join('.')}: ${message}`,
  );
  throw new AshlarError('invalid', `the request is not understood: ${reasons.join('; ')}`);
}

class Unauthorized extends AshlarError {}

function authorize(options: AdminOptions, request: FastifyRequest): void {
  const address = request.socket.remoteAddress;
  if (address === undefined) return;
  if (!isLoopback(address) && !new AddressRanges(options.allow()).has(address)) {
    throw new AshlarError('denied', `${address} may not use the admin API`, { peer: address });
  }
  const path = request.url.split('?')[0] ?? '';
  if (openPaths.has(path) || (path === '/metrics' && options.openMetrics())) return;
  const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (given !== undefined && isSame(given.trim(), options.token())) return;
  const what = given === undefined ? 'a token is needed' : 'the token is not the right one';
  throw new Unauthorized(
    'denied',
    `${what}: send 'Authorization: Bearer …' with what the file 'token' in the data directory holds`,
  );
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

async function fail(options: AdminOptions, error: unknown, reply: FastifyReply): Promise<FastifyReply> {
  if (error instanceof AshlarError) {
    if (error instanceof Unauthorized) void reply.header('www-authenticate', 'Bearer');
    const status = error instanceof Unauthorized ? 401 : httpStatus[error.kind];
    return reply.status(status).send({ error: { kind: error.kind, message: error.message } });
  }
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status < 500) return reply.status(status).send({ error: { kind: 'invalid', message: (error as Error).message } });
  options.onBug(error);
  return reply
    .status(500)
    .send({ error: { kind: 'io', message: 'something is wrong in the server: its log says what' } });
}
