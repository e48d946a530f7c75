// As a whole: an older Node, which reads this file and does not run it, has no registerHooks to name.
import * as nodeModule from 'node:module';

/** Where the packages lie. */
const root = new URL('../../', import.meta.url).href;

const source = (url) => ({ url, format: 'module-typescript', shortCircuit: true });

/**
 * Tells Node where the sources are. What one of ours imports by a path is the file of that name, and what a package
 * exports is looked for once: Node looks at the disk for each of some thousand imports, longer than most commands run.
 */
export function resolveSources() {
  const exported = new Map();
  nodeModule.registerHooks({
    resolve(specifier, context, next) {
      const { parentURL = '' } = context;
      if (!parentURL.startsWith(root)) return next(specifier, context);
      if (specifier.startsWith('.') && specifier.endsWith('.ts')) return source(new URL(specifier, parentURL).href);
      if (!specifier.startsWith('@ashlar/')) return next(specifier, context);
      let found = exported.get(specifier);
      if (found === undefined) {
        const { url } = next(specifier, context);
        found = url.endsWith('.ts') ? source(url) : { url, shortCircuit: true };
        exported.set(specifier, found);
      }
      return found;
    },
  });
}
