package pinterestsim

import (
	"slices"
	"strings"
)

// The countries and languages that the simulated Pinterest takes, apart from the client's
// own lists. Source: OpenAPI 5.23.0, Country, Language and CatalogsLocale.
const (
	pinterestCountries = `
		AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD
		CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF
		GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN
		KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC
		NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ
		SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN
		VU WF WS YE YT ZA ZM ZW
	`
	pinterestLanguages = `
		AM AR AZ BG BN BS CA CS DA DE DV DZ EL EN ES ET FA FI FR HE HI HR HU HY ID IN IS IT IW JA KA KM KO LO LT LV MK MN MS MY
		NB NE NL NO PL PT RO RU SK SL SQ SR SV TE TH TL TR UK VI XX ZH
	`
	pinterestLocales = `
		af-ZA ar-SA bg-BG bn-IN cs-CZ da-DK de el-GR en-AU en-CA en-GB en-IN en-US es-419 es-AR es-ES es-MX fi-FI fr fr-CA
		he-IL hi-IN hr-HR hu-HU id-ID it ja ko-KR ms-MY nb-NO nl pl-PL pt-BR pt-PT ro-RO ru-RU sk-SK sv-SE te-IN th-TH
		tl-PH tr uk-UA vi-VN zh-CN zh-TW
	`
)

var (
	countries = strings.Fields(pinterestCountries)
	languages = slices.Concat(strings.Fields(pinterestLanguages), strings.Fields(pinterestLocales))
)
