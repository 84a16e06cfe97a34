/** Constants of the service worker. */
declare const OFFLINE: {
  /** Changes with any file of the page. */
  readonly version: string;
  /** Changes with any file that is loaded when asked for. */
  readonly extraVersion: string;
  /** The files that one needs to draw. */
  readonly files: readonly string[];
};
