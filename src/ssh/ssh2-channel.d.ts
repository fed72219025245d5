/** What the library tells a server of each channel of its own (bytes), of its file that the published types leave out. */
declare module 'ssh2/lib/Channel.js' {
  export const MAX_WINDOW: number
  export const PACKET_SIZE: number
}
