import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take a minute or more begin first, so that none of them is left alone at the end. */
const LONG = [
  'recipes/python',
  'stories/deb.test',
  'stories/confirm',
  'host/guard',
  'stories/killed',
  'stories/deb-release',
  'stories/deb-killed',
  'stories/drain',
  'recipes/',
  'stories/verdaccio',
  'deb/',
  'faults/',
  'stories/',
  'host/',
]

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const found = LONG.findIndex((part) => moduleId.includes(`/test/${part}`))
      return found < 0 ? LONG.length : found
    }
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/under-test.ts'],
    // A busy machine is no failure; what hangs is found all the same.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 30_000 } },
    // Two cores: most tests wait for real processes, so a few files side by side pay off.
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
  },
})
