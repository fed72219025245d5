/** The most that is read of a host's own files: what is longer was not written by ship. */

export const MAX_HISTORY_BYTES = 64 * 1024 * 1024
export const MAX_MANIFEST_BYTES = 256 * 1024 * 1024
