/**
 * Pictures of the boards for the documentation, drawn from a recording of one real run: what Grafana would show, without a Grafana. Called by
 * generate.ts and record.ts. Pure.
 */
import { BOARDS, type Board, COLUMNS, type Panel, rowsOf } from './boards.ts';
import { headOf, MARGIN, WIDTH } from './caption.ts';
import { drawPanel, heightOf, seriesOf } from './panels.ts';
import { parseRecording, type Recording } from './recording.ts';
import { ROLLOUT_QUERIES, rolloutPicture } from './rollout-picture.ts';
import { page } from './svg.ts';

const GAP = 8;
const COLUMN = (WIDTH - 2 * MARGIN + GAP) / COLUMNS;

export const recordingPath = 'docs/images/recording.json';
export const rolloutPath = 'docs/images/rollout.svg';
export const pathOfBoard = ({ uid }: Board): string => `docs/images/dashboard-${uid.replace(/^latchkey-/, '')}.svg`;

/** Everything that a recording must have an answer to, each query once. */
export const allQueries = (): readonly string[] => [
  ...new Set([
    ...Object.values(BOARDS).flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expr }) => expr))),
    ...Object.values(ROLLOUT_QUERIES),
  ]),
];

/** The text of each picture, by its path in the repository. Of what is kept of a recording, which is rounded: whoever draws it draws the same. */
export function pictureFiles(recordingText: string): ReadonlyMap<string, string> {
  const recording = parseRecording(recordingText);
  const boards = Object.values(BOARDS).map((board): [string, string] => [
    pathOfBoard(board),
    boardPicture(board, recording),
  ]);
  return new Map([...boards, [rolloutPath, rolloutPicture(recording)]]);
}

/** @throws Error when the recording lacks an answer to one of the board's queries */
export function boardPicture({ title, panels }: Board, recording: Recording): string {
  const head = headOf(title, recording, 'the queries of this board');
  let y = head.endsAt;
  const rows = rowsOf(panels).map((row) => {
    const height = Math.max(...row.map((panel) => heightOf(panel, seriesOf(panel, recording), widthOf(panel))));
    const drawn = drawRow(row, recording, { y, height });
    y += height + GAP;
    return drawn;
  });
  return page({ width: WIDTH, height: y - GAP + MARGIN, title }, head.svg, ...rows);
}

const widthOf = ({ width }: Panel): number => width * COLUMN - GAP;

function drawRow(row: readonly Panel[], recording: Recording, place: { y: number; height: number }): string {
  let x = MARGIN;
  const drawn = row.map((panel) => {
    const box = { x, width: widthOf(panel), ...place };
    x += widthOf(panel) + GAP;
    return drawPanel(panel, recording, box);
  });
  return drawn.join('\n');
}
