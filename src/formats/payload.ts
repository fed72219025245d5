/**
 * What a host unpacks: one file, a plain tar (ustar; GNU `L`/`K` records for long names, no PAX, so that GNU and BusyBox `tar x`
 * read it alike), compressed with gzip or zstd. Members, in this order:
 *
 *   checks         `sha256sum -c` input for exactly `sums`, `links`, `manifest.json`, in this order
 *   sums           `sha256sum -c` input for every file; paths are relative to `tree/`; empty when there is no file
 *   links          two lines per link: path relative to `tree/`, target; empty when there is no link
 *   manifest.json  the canonical manifest; its sha256 is the digest of the bundle
 *   tree/          0755, then every entry of the manifest below it, directories before what they hold, with modes
 *
 * Lines of `sums` and `checks` are `<64 hex>  <path>`: no path holds a control character or a backslash, so nothing is escaped;
 * a file at the top named "-" stands as "./-". The sha256 of `checks` goes to the host as an argument: it vouches for the lists,
 * the lists vouch for every file. `entries` is what `find tree | wc -l` says, less one for `tree` itself.
 */
export {}
