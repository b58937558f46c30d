/** Kinds of rules that are kept; what else there is can name addresses in ways of its own. */
const KEPT = [CSSStyleRule, CSSMediaRule, CSSSupportsRule, CSSKeyframesRule, CSSKeyframeRule, CSSFontFaceRule];

/** Pictures that stand in the text itself, or in the page. */
const INLINE = /url\(\s*["']?\s*(?:data:image\/|#)/gi;
/** What has a browser ask for something, and what could hide or end it: escapes that nobody has read yet, the end of the element. */
const ASKS = /\\|<|url\(|src\(|image-set\(/i;

const asks = (value: string): boolean => ASKS.test(value.replace(INLINE, ''));

/** Takes out of declarations what the browser would ask others for. They are read as the browser has understood them, not as they were written. */
export function quietStyle(style: CSSStyleDeclaration): void {
  const names = Array.from({ length: style.length }, (_, at) => style.item(at));
  for (const name of names) if (asks(style.getPropertyValue(name))) style.removeProperty(name);
  // Shorthands that wait for a variable are in none of their longhands.
  if (asks(style.cssText)) style.cssText = '';
}

/** A style sheet of a program without what the browser would ask others for: the page's policy refuses it, and the browser would report that. */
export function quietSheet(text: string): string {
  const sheet = new CSSStyleSheet();
  try {
    sheet.replaceSync(text);
  } catch {
    return '';
  }
  quietRules(sheet);
  const quiet = [...sheet.cssRules].map(({ cssText }) => cssText).join('\n');
  return quiet.includes('</') ? '' : quiet;
}

function quietRules(holder: CSSStyleSheet | CSSGroupingRule | CSSKeyframesRule): void {
  for (let at = holder.cssRules.length - 1; at >= 0; at -= 1) {
    const rule = holder.cssRules[at];
    if (!rule || !KEPT.some((kind) => rule instanceof kind)) {
      remove(holder, at);
      continue;
    }
    if (rule instanceof CSSStyleRule || rule instanceof CSSKeyframeRule || rule instanceof CSSFontFaceRule) quietStyle(rule.style);
    if ('cssRules' in rule) quietRules(rule as CSSGroupingRule);
  }
}

function remove(holder: CSSStyleSheet | CSSGroupingRule | CSSKeyframesRule, at: number): void {
  if (!(holder instanceof CSSKeyframesRule)) holder.deleteRule(at);
}
