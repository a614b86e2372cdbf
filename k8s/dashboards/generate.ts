/** Writes Grafana's JSON of boards.ts into the charts. Run by `npm run generate`; `--check` only compares. */
import { writeOrCheck } from '../../operator/src/crd/write-or-check.ts';
import { BOARDS, type Board, type Panel } from './boards.ts';

const COLUMNS = 24;
const HEIGHT = 8;
const SOURCE = { type: 'prometheus', uid: '${datasource}' };

/** Grafana wants each panel's place; they fill rows from the left. */
function placed(panels: readonly Panel[]): readonly object[] {
  let [x, y] = [0, 0];
  return panels.map((panel, index) => {
    if (x + panel.width > COLUMNS) [x, y] = [0, y + HEIGHT];
    const gridPos = { x, y, w: panel.width, h: HEIGHT };
    x += panel.width;
    return { id: index + 1, ...panelOf(panel), gridPos };
  });
}

function panelOf({ title, kind, unit, queries }: Panel): object {
  const isTable = kind === 'table';
  return {
    title,
    type: kind,
    datasource: SOURCE,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: queries.map(({ legend, expr }, index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource: SOURCE,
      expr,
      legendFormat: legend,
      ...(isTable ? { format: 'table', instant: true } : {}),
    })),
  };
}

function dashboardOf({ uid, title, namespacesOf, panels }: Board): object {
  const label = namespacesOf.startsWith('latchkey_') ? 'exported_namespace' : 'namespace';
  return {
    uid,
    title,
    tags: ['latchkey'],
    schemaVersion: 39,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus' },
        {
          name: 'namespace',
          type: 'query',
          datasource: SOURCE,
          query: `label_values(${namespacesOf}, ${label})`,
          refresh: 2,
        },
      ],
    },
    panels: placed(panels),
  };
}

const texts = Object.entries(BOARDS).map(([path, board]): [string, string] => [
  path,
  `${JSON.stringify(dashboardOf(board), undefined, 2)}\n`,
]);
writeOrCheck(new Map(texts), 'node k8s/dashboards/generate.ts');
