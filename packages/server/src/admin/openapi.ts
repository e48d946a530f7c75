import * as z from 'zod';
import { routes, type Route } from './routes.ts';
import { errorSchema } from './schemas.ts';

type Json = { readonly [name: string]: unknown };

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}

function content(schema: z.ZodType, io: 'input' | 'output'): Json {
  return { 'application/json': { schema: jsonSchema(schema, io) } };
}

function parameters(schema: z.ZodType | undefined, where: 'path' | 'query'): Json[] {
  if (!(schema instanceof z.ZodObject)) return [];
  return Object.entries(schema.shape as { [name: string]: z.ZodType }).map(([name, field]) => ({
    name,
    in: where,
    required: where === 'path',
    schema: jsonSchema(field, 'input'),
  }));
}

function operation({ summary, parts, status, response }: Route): Json {
  return {
    summary,
    parameters: [...parameters(parts.params, 'path'), ...parameters(parts.query, 'query')],
    ...(parts.body === undefined ? {} : { requestBody: { required: true, content: content(parts.body, 'input') } }),
    responses: {
      [status]: { description: summary, ...(response === undefined ? {} : { content: content(response, 'output') }) },
      default: { description: 'What went wrong', content: content(errorSchema, 'output') },
    },
  };
}

function plain(summary: string, type: string): Json {
  return { get: { summary, security: [], responses: { 200: { description: summary, content: { [type]: {} } } } } };
}

/** The API's description (OpenAPI 3.1), made of the very schemas that check each request. */
export function openApiDocument(version: string): Json {
  const paths: { [path: string]: { [method: string]: unknown } } = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Ashlar admin API', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    security: [{ token: [] }],
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths: {
      ...paths,
      '/metrics': {
        get: {
          summary: 'Metrics for Prometheus',
          responses: { 200: { description: 'Metrics', content: { 'text/plain': {} } } },
        },
      },
      '/health/live': plain('Whether the process answers', 'application/json'),
      '/health/ready': plain(
        'Whether it serves; 503 while it starts or stops, or when the pool has failed',
        'application/json',
      ),
      '/openapi.json': plain('This document', 'application/json'),
    },
  };
}
