/** Constants of the service worker. Files are relative to it, with their SHA-256. */
declare const OFFLINE: {
  /** Changes with any file of the page. */
  readonly version: string;
  /** Changes with any file that is loaded when asked for. */
  readonly extraVersion: string;
  /** The files that one needs to draw. */
  readonly files: Readonly<Record<string, string>>;
  /** The files that are loaded when asked for. */
  readonly extra: Readonly<Record<string, string>>;
};
