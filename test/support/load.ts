/**
 * Constant load over keep-alive connections, as browsers and HTTP libraries make it. Every answer that is no 2xx and every socket error
 * counts as a failure, with one exception that all HTTP clients make (RFC 9112, 9.3.1): when the server closes a connection that was
 * idle in the very moment in which it is used again, before one byte of an answer, the request is sent again once, on a new connection.
 */
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Load {
  /** Ends it, when every request under way has its answer. */
  stop(): Promise<LoadResult>
}

export interface LoadResult {
  readonly requests: number
  /** One line for each failed request: when, and what. */
  readonly failures: readonly string[]
  /** First lines of the answers, with how many of each. */
  readonly answers: ReadonlyMap<string, number>
}

const CONNECTIONS = 4
const PAUSE_MS = 12

/** Asks one or more addresses; each by as many connections. */
export function startLoad(urls: readonly string[]): Load {
  const failures: string[] = []
  const answers = new Map<string, number>()
  const started = performance.now()
  let requests = 0
  const end = new AbortController()
  const client = async (url: string): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (!end.signal.aborted) {
      requests += 1
      const second = ((performance.now() - started) / 1000).toFixed(2)
      try {
        const { status, body } = await ask(url, agent)
        if (status < 200 || status > 299) failures.push(`after ${second} s ${url}: ${status} ${body.slice(0, 60)}`)
        const line = body.split('\n')[0] ?? ''
        answers.set(line, (answers.get(line) ?? 0) + 1)
      } catch (error) {
        failures.push(`after ${second} s ${url}: ${String(error)}`)
      }
      await sleep(PAUSE_MS)
    }
    agent.destroy()
  }
  const clients = urls.flatMap((url) => Array.from({ length: CONNECTIONS }, () => client(url)))
  return {
    async stop() {
      end.abort()
      await Promise.all(clients)
      return { requests, failures, answers }
    },
  }
}

interface Answer {
  readonly status: number
  readonly body: string
}

function ask(url: string, agent: Agent, isSecond = false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let answered = false
    const request = get(url, { agent }, (response) => {
      answered = true
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => (body += text))
      response.once('error', reject)
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    request.once('error', (error: NodeJS.ErrnoException) => {
      const wasIdle = request.reusedSocket && !answered && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
      if (wasIdle && !isSecond) ask(url, agent, true).then(resolve, reject)
      else reject(error)
    })
  })
}
