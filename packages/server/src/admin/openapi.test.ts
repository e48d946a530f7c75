import test from 'ava';
import { errorKinds } from '@ashlar/core';
import { httpStatus } from './http-status.ts';
import { openApiDocument } from './openapi.ts';
import { routes } from './routes.ts';

type Operation = {
  readonly summary: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: object } } };
  readonly responses: { readonly [status: string]: object };
};

const document = openApiDocument('1.2.3') as unknown as {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } };
};

test('the API description has every operation with its parameters and answers', (t) => {
  t.is(document.openapi, '3.1.0');
  t.is(document.info.version, '1.2.3');
  for (const { method, path, status } of routes) {
    const operation = document.paths[path]?.[method.toLowerCase()];
    t.truthy(operation?.summary, `${method} ${path}`);
    t.truthy(operation?.responses[status], `${method} ${path}`);
    t.truthy(operation?.responses['default'], `${method} ${path}`);
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    t.deepEqual(
      operation?.parameters?.filter((each) => each.in === 'path').map(({ name }) => name),
      inPath,
      `${method} ${path}`,
    );
  }
});

test('a request body is described by the schema that checks it', (t) => {
  const body = document.paths['/v1/volumes']?.['post']?.requestBody?.content['application/json'].schema;
  t.like(body, { type: 'object', required: ['name', 'size'], additionalProperties: false });
});

test('what is open to everybody is described as open', (t) => {
  for (const path of ['/health/live', '/health/ready', '/openapi.json']) {
    t.deepEqual((document.paths[path]?.['get'] as { security?: unknown } | undefined)?.security, [], path);
  }
});

test('every kind of error has an HTTP status', (t) => {
  t.deepEqual(Object.keys(httpStatus).toSorted(), [...errorKinds].toSorted());
  for (const status of Object.values(httpStatus)) t.true(status >= 400 && status < 600);
});
