/** The API's documents, as the console reads them. Times are microseconds since the epoch, UTC. */

export type Language = 'vi' | 'en';
export type Texts = Partial<Record<Language, string>>;

export const LEVELS = ['critical', 'high', 'medium', 'low', 'informational'] as const;
export type Level = (typeof LEVELS)[number];

export const STATUSES = ['open', 'acknowledged', 'closed'] as const;
export type Status = (typeof STATUSES)[number];

export const ACTIONS = ['acknowledge', 'close', 'reopen'] as const;
export type Action = (typeof ACTIONS)[number];

export interface Session {
  user: string;
  display_name: string;
  csrf: string;
  must_change_password: boolean;
  language: string;
  permissions: string[];
  expires_us: number;
}

export interface AlertRow {
  id: string;
  rule_id: string;
  titles: Texts;
  level: Level;
  status: Status;
  host: string;
  agent: string;
  node: string;
  label: string;
  user: string;
  count: number;
  /** First and latest detection by the collector's clock; lists are ordered by the latter. */
  first_us: number;
  last_us: number;
  received_us: number;
  detected_us: number;
  /** The machine's own times of the earliest and the latest event. */
  source_first_us: number;
  source_last_us: number;
  summary: string;
  tags: string[];
  version: number;
}

export interface AlertPage {
  items: AlertRow[];
  total: number;
  next: string | null;
  version: number;
}

export interface Logsource {
  product?: string;
  category?: string;
  service?: string;
}

export type Scalar = string | number | boolean | null;

export interface AlertEvent {
  event_id: string;
  time_us: number;
  received_us: number;
  fields: Record<string, Scalar | Scalar[]>;
  matched: string[];
  raw?: string | null;
  logsource: Logsource;
  origin: string;
  /** Long values were shortened; the archive has them whole. */
  cut?: boolean;
}

export interface HistoryEntry {
  time_us: number;
  person: string;
  action: string;
  note: string;
}

export interface AlertDetail extends AlertRow {
  descriptions: Texts;
  falsepositives: Texts[];
  rule_source: string;
  events: AlertEvent[];
  events_total: number;
  history: HistoryEntry[];
}

export interface ActionResult {
  changed: string[];
  unchanged: string[];
  missing: string[];
}

export interface Totals {
  open: number;
  /** Only the stream says these two. */
  acknowledged?: number;
  closed?: number;
  by_level: Partial<Record<Level, number>>;
}

export interface Delta {
  version: number;
  changed: AlertRow[];
  more: number;
  totals: Totals;
}

export interface Summary extends Totals {
  agents: { active: number; silent: number; quarantined: number; revoked: number };
  events_received: number;
  lost_events: number;
  rules: { active: number; inactive: number; refused: number };
}
