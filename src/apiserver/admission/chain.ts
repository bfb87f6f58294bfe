/**
 * Which plugins run, and in what order: the default ones less --disable-admission-plugins, and those of
 * --enable-admission-plugins, always in upstream's order (facts/admission.json).
 */
import facts from '#apis/facts/admission.json' with { type: 'json' };
import type { AdmissionChain, AdmissionPlugin } from './admission.ts';

/** Names in upstream's order; those we have no plugin for are left out by who builds them. */
export function enabledPlugins(enabled: readonly string[], disabled: readonly string[]): string[] {
  return facts.plugins
    .filter((p) => (p.defaultOn || enabled.includes(p.name)) && !disabled.includes(p.name))
    .map((p) => p.name);
}

export function createAdmissionChain(plugins: readonly AdmissionPlugin[]): AdmissionChain {
  return {
    async admit(attributes) {
      for (const plugin of plugins) {
        if (!plugin.admit || !plugin.handles(attributes.operation)) continue;
        const result = plugin.admit(attributes);
        if (result) await result;
      }
    },
    async validate(attributes) {
      for (const plugin of plugins) {
        if (!plugin.validate || !plugin.handles(attributes.operation)) continue;
        const result = plugin.validate(attributes);
        if (result) await result;
      }
    },
  };
}
