/**
 * The live list on a terminal, drawn by listr2 on stderr. listr2 holds no logic: its tasks only wait for events, and it registers
 * no signal handler. A list lives from the first step until `settle`; the next step after that begins a new one.
 *
 * listr2 runs the tasks it knows when it starts, so a list that grows is a chain: an untitled task that waits for the next item and
 * then returns a list of that item and the rest of the chain. Untitled tasks are drawn at the level of their parent.
 */
import type { ListrTask, ListrTaskWrapper, DefaultRenderer, SimpleRenderer } from 'listr2'
import { board, rowText, sectionText, type Change, type Row, type Section } from './board.ts'
import { writeEnding } from './ending.ts'
import { feed, type Feed } from './feed.ts'
import { tails } from './logs.ts'
import { warningLines } from './lines.ts'
import type { Renderer, Screen } from './renderer.ts'

/** Above this many hosts, those at work are counted in the title and only failed ones have a row, the first of them. */
const MANY_HOSTS = 8
const FAILED_ROWS = 10
const TICK_MS = 100
/** So wide are the names of most steps: what is said of them stands in a column. */
const STEP_WIDTH = 12
/** At the end of a line, as `board.ts` writes it. */
const TOOK = / \([\d.]+ (?:ms|s|min|h|d)(?: \d+ (?:s|min|h))?\)$/
const SHOW_CURSOR = '\u001B[?25h'

type Task = ListrTask<object, typeof DefaultRenderer, typeof SimpleRenderer>
type Wrapper = ListrTaskWrapper<object, typeof DefaultRenderer, typeof SimpleRenderer>
type Lib = typeof import('listr2')

interface Drawing {
  readonly steps: Feed<Shown>
  readonly shown: Map<Section, Shown>
  readonly done: Promise<unknown>
}

/** A section with what its tasks wait for. */
interface Shown {
  readonly section: Section
  readonly hosts: Feed<Row>
  readonly ends: Map<Row, PromiseWithResolvers<void>>
  readonly ended: PromiseWithResolvers<void>
  readonly titles: Map<Row | Section, Wrapper>
}

export async function liveRenderer(screen: Screen): Promise<Renderer> {
  const lib = await import('listr2')
  const state = board()
  const kept = tails()
  let drawing: Drawing | undefined
  let after: string[] = []
  const ticker = setInterval(() => {
    for (const shown of drawing?.shown.values() ?? []) if (shown.section.open) retitle(shown, screen)
  }, TICK_MS)
  ticker.unref()

  const onStep = (change: Change): void => {
    drawing ??= draw(lib, screen)
    const shown = drawing.shown.get(change.section) ?? show(change.section)
    if (!drawing.shown.has(change.section)) {
      drawing.shown.set(change.section, shown)
      drawing.steps.push(shown)
    }
    const { row } = change
    if (!shown.ends.has(row) && wantsRow(shown, row)) {
      shown.ends.set(row, Promise.withResolvers())
      if (row.host !== undefined) shown.hosts.push(row)
    }
    if (row.state === 'failed') {
      const place = [row.step, row.host].filter((part) => part !== undefined).join(' ')
      const lines = kept.take(row.step, row.host)
      if (lines.length > 0) after.push(screen.errStyle.dim(`output of ${place}:`), ...lines.map((line) => `  ${line}`))
    }
    if (row.state !== 'running') shown.ends.get(row)?.resolve()
    for (const section of change.closed) finish(drawing.shown.get(section))
  }

  const settle = async (): Promise<void> => {
    const current = drawing
    drawing = undefined
    if (current) {
      state.close()
      for (const shown of current.shown.values()) finish(shown)
      current.steps.end()
      await current.done
    }
    const lines = after
    after = []
    for (const line of lines) screen.err.write(`${line}\n`)
    // The answer, or a question, stands apart from how it came about.
    if (current) screen.err.write('\n')
  }
  return {
    emit(event) {
      if (event.event === 'log') return kept.add(event)
      if (event.event === 'warning') return void after.push(...warningLines(event, screen))
      const change = state.apply(event, screen.now())
      if (change) onStep(change)
    },
    settle,
    async end(ending) {
      await settle()
      clearInterval(ticker)
      writeEnding(ending, screen)
    },
    abandon: () => {
      clearInterval(ticker)
      if (drawing) screen.err.write(`\n${SHOW_CURSOR}`)
    },
  }
}

function draw(lib: Lib, screen: Screen): Drawing {
  const steps = feed<Shown>()
  // listr2 looks at stdout to see whether there is a terminal; ours is stderr, whatever stdout is.
  class OnStderr extends lib.DefaultRenderer {
    static override nonTTY = true as unknown as false
  }
  const { red, green, yellow, dim } = screen.errStyle
  const list = new lib.Listr<object, typeof OnStderr>([], {
    renderer: OnStderr,
    concurrent: true,
    exitOnError: false,
    registerSignalListeners: false,
    rendererOptions: {
      formatOutput: 'truncate',
      logger: new lib.ListrLogger({ processOutput: new lib.ProcessOutput(process.stderr, process.stderr) }),
      icon: { COMPLETED_WITH_FAILED_SUBTASKS: lib.figures.cross },
      color: {
        PENDING: (icon = '') => yellow(icon),
        WAITING: (icon = '') => dim(icon),
        COMPLETED: (icon = '') => green(icon),
        SKIPPED_WITH_COLLAPSE: (icon = '') => yellow(icon),
        FAILED: (icon = '') => red(icon),
        COMPLETED_WITH_FAILED_SUBTASKS: (icon = '') => red(icon),
      },
    },
  })
  list.add(chain(steps, (shown) => sectionTask(shown, screen)))
  return { steps, shown: new Map(), done: list.run() }
}

function sectionTask(shown: Shown, screen: Screen): Task {
  const { section } = shown
  return {
    title: titleOf(section, screen),
    async task(_, wrapper) {
      shown.titles.set(section, wrapper)
      const first = await Promise.race([shown.hosts.next(), shown.ended.promise.then(() => undefined)])
      if (!first) return end(section.own, wrapper, titleOf(section, screen))
      const rows = feed<Row>(first, shown.hosts)
      void shown.ended.promise.then(() => retitle(shown, screen))
      // Only a direct subtask that fails marks its parent and keeps the rows in sight.
      const verdict: Task = {
        async task() {
          await shown.ended.promise
          if (section.rows.some((r) => r.state === 'failed')) throw new Error('failed')
        },
      }
      const tasks = [chain(rows, (row) => rowTask(row, shown, screen)), verdict]
      return wrapper.newListr(tasks, { concurrent: true, exitOnError: false })
    },
  }
}

/** A list of hundreds would be slow to draw and too long to read. */
function wantsRow({ section, ends }: Shown, row: Row): boolean {
  if (row.host === undefined || section.rows.length <= MANY_HOSTS) return true
  return row.state === 'failed' && ends.size < MANY_HOSTS + FAILED_ROWS
}

function rowTask(row: Row, shown: Shown, screen: Screen): Task {
  return {
    title: shown.section.rows.length > MANY_HOSTS ? '' : titleOfRow(row, shown, screen),
    async task(_, wrapper) {
      shown.titles.set(row, wrapper)
      await shown.ends.get(row)?.promise
      const many = shown.section.rows.length > MANY_HOSTS
      end(row, wrapper, many && row.state !== 'failed' ? '' : titleOfRow(row, shown, screen))
    },
  }
}

/** Ends a task the way its row ended; a row that is still running was cut short. */
function end(row: Row | undefined, wrapper: Wrapper, text: string): void {
  wrapper.title = text
  if (row?.state === 'failed') throw new Error(text)
  if (row?.state === 'skipped') wrapper.skip(text)
  if (row?.state === 'running' && text !== '') wrapper.skip(`${text}  not finished`)
}

function retitle(shown: Shown, screen: Screen): void {
  const many = shown.section.rows.length > MANY_HOSTS
  for (const [what, wrapper] of shown.titles) {
    if ('rows' in what) setTitle(wrapper, titleOf(what, screen))
    else if (what.state === 'running') setTitle(wrapper, many ? '' : titleOfRow(what, shown, screen))
  }
}

function titleOf(section: Section, screen: Screen): string {
  return calm(sectionText(section, screen.now(), STEP_WIDTH), screen)
}

function titleOfRow(row: Row, { section }: Shown, screen: Screen): string {
  const width = Math.max(...section.rows.map(({ host = '' }) => host.length))
  const text = rowText(row, screen.now(), width)
  // Why it failed is long enough; how long that took says the line above.
  return row.state === 'failed' ? text.replace(TOOK, '') : calm(text, screen)
}

/** How long it took is the least of it. */
function calm(text: string, { err, errStyle }: Screen): string {
  // Cut in the middle it would say nothing; the mark before it and the indent of a row take up to four columns.
  if (text.length > err.columns - 4) return text.replace(TOOK, '')
  return text.replace(TOOK, (took) => errStyle.dim(took))
}

function setTitle(wrapper: Wrapper, text: string): void {
  if (wrapper.title !== text) wrapper.title = text
}

function show(section: Section): Shown {
  return { section, hosts: feed(), ends: new Map(), ended: Promise.withResolvers(), titles: new Map() }
}

function finish(shown: Shown | undefined): void {
  if (!shown) return
  for (const rowEnd of shown.ends.values()) rowEnd.resolve()
  shown.ended.resolve()
  shown.hosts.end()
}

function chain<T>(items: Feed<T>, taskOf: (item: T) => Task): Task {
  return {
    async task(_, wrapper) {
      const item = await items.next()
      if (item === undefined) return undefined
      return wrapper.newListr([taskOf(item), chain(items, taskOf)], { concurrent: true, exitOnError: false })
    },
  }
}
