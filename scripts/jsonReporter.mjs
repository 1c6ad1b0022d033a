// vitest's JSON report, with the reason of each skipped test, which it leaves out: `meta.skipped`.
import { JsonReporter } from 'vitest/node';

export default class extends JsonReporter {
  constructor() {
    super({});
  }

  onTestRunEnd(modules) {
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        const { note } = test.result();
        if (note) test.task.meta.skipped = note;
      }
    }
    return super.onTestRunEnd(modules);
  }
}
